import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('mailer', '0008_message_id_by_octets'),
    ]

    operations = [
        migrations.CreateModel(
            name='RelayLog',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('path', models.CharField(max_length=500, unique=True, verbose_name='path')),
                ('inode', models.BigIntegerField(verbose_name='inode')),
                ('offset', models.BigIntegerField(verbose_name='read up to')),
                ('read_at', models.DateTimeField(verbose_name='read at')),
            ],
            options={
                'verbose_name': 'relay log',
                'verbose_name_plural': 'relay logs',
            },
        ),
        migrations.CreateModel(
            name='RelayedMail',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('queue', models.CharField(max_length=100, unique=True, verbose_name='queue file')),
                ('is_taken', models.BooleanField(default=False, verbose_name='was completed')),
                ('is_delayed', models.BooleanField(default=False, verbose_name='was deferred')),
                ('is_sent', models.BooleanField(default=False, verbose_name='was delivered')),
                ('is_bounced', models.BooleanField(default=False, verbose_name='was returned')),
                ('is_closed', models.BooleanField(default=False, verbose_name='has left the queue')),
                ('words', models.TextField(blank=True, verbose_name="the other side's words")),
                ('seen_at', models.DateTimeField(verbose_name='last seen at')),
                ('message', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='mailer.message')),
            ],
            options={
                'verbose_name': 'relayed mail',
                'verbose_name_plural': 'relayed mails',
                'indexes': [models.Index(condition=models.Q(('is_closed', True)), fields=['seen_at'], name='relayed_mail_closed')],
            },
        ),
    ]
