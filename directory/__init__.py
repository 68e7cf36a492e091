"""Facts: who has which certificate. Sends no mail, builds no CMS, knows no users."""
