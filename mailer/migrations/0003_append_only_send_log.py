"""The send log only grows: the database refuses to change, delete or truncate its lines."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION mailer_send_log_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the send log only grows' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER send_log_rows_stay BEFORE UPDATE OR DELETE ON mailer_sendevent FOR EACH ROW EXECUTE FUNCTION mailer_send_log_only_grows();
CREATE TRIGGER send_log_stays BEFORE TRUNCATE ON mailer_sendevent FOR EACH STATEMENT EXECUTE FUNCTION mailer_send_log_only_grows();
"""
BACKWARD = """
DROP TRIGGER send_log_stays ON mailer_sendevent;
DROP TRIGGER send_log_rows_stay ON mailer_sendevent;
DROP FUNCTION mailer_send_log_only_grows();
"""


class Migration(migrations.Migration):
    dependencies = [("mailer", "0002_append_only_ledger")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
