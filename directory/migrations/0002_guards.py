"""The event log only grows, and a prepared answer is stored as it is sent."""

from django.db import migrations

ONLY_GROWS = """
CREATE FUNCTION directory_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log only grows' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER event_rows_stay BEFORE UPDATE OR DELETE ON directory_directoryevent FOR EACH ROW EXECUTE FUNCTION directory_only_grows();
CREATE TRIGGER events_stay BEFORE TRUNCATE ON directory_directoryevent FOR EACH STATEMENT EXECUTE FUNCTION directory_only_grows();
"""
ONLY_GROWS_BACKWARD = """
DROP TRIGGER events_stay ON directory_directoryevent;
DROP TRIGGER event_rows_stay ON directory_directoryevent;
DROP FUNCTION directory_only_grows();
"""
# Base64 does not compress, and most answers are a little over 2 KB, where PostgreSQL would try to and move them out of the row.
IN_THE_ROW = """
ALTER TABLE directory_answer ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE directory_answer SET (toast_tuple_target = 8160);
"""
IN_THE_ROW_BACKWARD = """
ALTER TABLE directory_answer RESET (toast_tuple_target);
ALTER TABLE directory_answer ALTER COLUMN body SET STORAGE EXTENDED;
"""


class Migration(migrations.Migration):
    dependencies = [("directory", "0001_initial")]
    operations = [
        migrations.RunSQL(ONLY_GROWS, ONLY_GROWS_BACKWARD),
        migrations.RunSQL(IN_THE_ROW, IN_THE_ROW_BACKWARD),
    ]
