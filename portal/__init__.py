"""The face: settings, addresses, pages and dashboards. No tables of its own."""
