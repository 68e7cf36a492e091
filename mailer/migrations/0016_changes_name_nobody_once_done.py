from django.db import migrations

# The directory's rows, as the mailer leaves those that it has worked off.
BLANK = "UPDATE directory_change SET address = '', match = '' WHERE done_at IS NOT NULL AND match <> ''"


class Migration(migrations.Migration):
    dependencies = [
        ("mailer", "0015_erasures_of_live_certificates"),
        ("directory", "0008_certificates_to_judge"),
    ]

    operations = [migrations.RunSQL(BLANK, migrations.RunSQL.noop)]
