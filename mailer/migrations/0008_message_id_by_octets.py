from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('directory', '0004_changes_by_age'),
        ('mailer', '0007_messages_to_look_at'),
    ]

    operations = [
        migrations.AlterField(
            model_name='message',
            name='message_id',
            field=models.CharField(db_collation='C', max_length=255, verbose_name='Message-ID'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.UniqueConstraint(fields=('message_id',), name='message_id_once'),
        ),
    ]
