from django.db import migrations, models


# Each change of a message's status is in the condition of an index, so that no new version of a row ever stays without new index entries:
# room kept in its page would be of no use.
FULL_PAGES = "ALTER TABLE mailer_message RESET (fillfactor)"
FULL_PAGES_BACKWARD = "ALTER TABLE mailer_message SET (fillfactor = 85)"


class Migration(migrations.Migration):

    dependencies = [
        ('directory', '0004_changes_by_age'),
        ('mailer', '0010_messages_without_organization_lock'),
    ]

    operations = [
        migrations.RunSQL(FULL_PAGES, FULL_PAGES_BACKWARD),
        migrations.AddIndex(
            model_name='batch',
            index=models.Index(condition=models.Q(('idempotency_key__isnull', False)), fields=['accepted_at'], name='batch_with_key'),
        ),
    ]
