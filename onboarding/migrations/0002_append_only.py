"""Events and verdicts only grow: the database refuses to change, delete or truncate them."""

from django.db import migrations

TABLES = ("onboarding_applicationevent", "onboarding_personevent", "onboarding_decision")

FORWARD = """
CREATE FUNCTION onboarding_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
$$;
""" + "".join(
    f"""
CREATE TRIGGER {table}_rows_stay BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION onboarding_only_grows();
CREATE TRIGGER {table}_stays BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION onboarding_only_grows();
"""
    for table in TABLES
)
BACKWARD = (
    "".join(f"DROP TRIGGER {table}_stays ON {table}; DROP TRIGGER {table}_rows_stay ON {table};" for table in TABLES)
    + "DROP FUNCTION onboarding_only_grows();"
)


class Migration(migrations.Migration):
    dependencies = [("onboarding", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
