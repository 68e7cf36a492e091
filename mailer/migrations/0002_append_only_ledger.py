"""The CA's log only grows: the database refuses to change, delete or truncate its lines."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION mailer_ledger_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger only grows' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER ledger_rows_stay BEFORE UPDATE OR DELETE ON mailer_ledgerevent FOR EACH ROW EXECUTE FUNCTION mailer_ledger_only_grows();
CREATE TRIGGER ledger_stays BEFORE TRUNCATE ON mailer_ledgerevent FOR EACH STATEMENT EXECUTE FUNCTION mailer_ledger_only_grows();
"""
BACKWARD = """
DROP TRIGGER ledger_stays ON mailer_ledgerevent;
DROP TRIGGER ledger_rows_stay ON mailer_ledgerevent;
DROP FUNCTION mailer_ledger_only_grows();
"""


class Migration(migrations.Migration):
    dependencies = [("mailer", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
