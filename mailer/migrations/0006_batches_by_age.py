from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('directory', '0004_changes_by_age'),
        ('mailer', '0005_partitioned_send_log'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='batch',
            index=models.Index(fields=['accepted_at', 'id'], name='batch_by_age'),
        ),
    ]
