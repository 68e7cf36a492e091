import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('directory', '0004_changes_by_age'),
        ('mailer', '0009_relay_log'),
    ]

    operations = [
        migrations.AlterField(
            model_name='message',
            name='organization',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='directory.organization'),
        ),
    ]
