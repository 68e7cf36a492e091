"""Forms: where text from outside becomes names, addresses and documents, or a message that says how to put it right."""
