"""Pauses, sending policies, a recipient that can be erased, and an outbox table set up as the queue that it is."""

import django.db.models.deletion
import uuid
from django.db import migrations, models


# What is encrypted does not compress, and base64 of it hardly: no attempt is made. The outbox is a queue, so its dead rows are cleared early.
QUEUE = """
UPDATE mailer_message SET domain = split_part(match, '@', 2);
ALTER TABLE mailer_message ALTER COLUMN content SET STORAGE EXTERNAL, ALTER COLUMN sealed SET STORAGE EXTERNAL;
ALTER TABLE mailer_message SET (
    fillfactor = 85, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 2000,
    toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_threshold = 5000
);
"""
QUEUE_BACKWARD = """
ALTER TABLE mailer_message RESET (
    fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay,
    autovacuum_vacuum_insert_scale_factor, autovacuum_analyze_scale_factor, autovacuum_analyze_threshold,
    toast.autovacuum_vacuum_scale_factor, toast.autovacuum_vacuum_threshold
);
ALTER TABLE mailer_message ALTER COLUMN content SET STORAGE EXTENDED, ALTER COLUMN sealed SET STORAGE EXTENDED;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('directory', '0003_smime_capabilities'),
        ('mailer', '0003_append_only_send_log'),
    ]

    operations = [
        migrations.CreateModel(
            name='Pause',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('domain', models.CharField(blank=True, max_length=255, verbose_name="recipients' domain, folded")),
                ('reason', models.CharField(blank=True, max_length=300, verbose_name='reason')),
                ('paused_by', models.CharField(max_length=100, verbose_name='paused by')),
                ('paused_at', models.DateTimeField(verbose_name='paused at')),
                ('resumed_by', models.CharField(blank=True, max_length=100, verbose_name='resumed by')),
                ('resumed_at', models.DateTimeField(blank=True, null=True, verbose_name='resumed at')),
            ],
            options={
                'verbose_name': 'pause',
                'verbose_name_plural': 'pauses',
            },
        ),
        migrations.CreateModel(
            name='SendingPolicy',
            fields=[
                ('organization', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='sending_policy', serialize=False, to='directory.organization')),
                ('subject', models.CharField(choices=[('neutral', 'A neutral subject outside'), ('keep', "The message's own subject outside")], default='neutral', max_length=7, verbose_name='subject outside')),
                ('neutral_subject', models.CharField(blank=True, max_length=100, verbose_name='neutral subject, blank for our wording')),
                ('changed_at', models.DateTimeField(verbose_name='changed at')),
            ],
            options={
                'verbose_name': 'sending policy',
                'verbose_name_plural': 'sending policies',
            },
        ),
        migrations.RemoveIndex(
            model_name='message',
            name='message_held',
        ),
        migrations.AddField(
            model_name='message',
            name='domain',
            field=models.CharField(blank=True, max_length=255, verbose_name="recipient's domain, folded"),
        ),
        migrations.AddField(
            model_name='message',
            name='erased_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='recipient erased at'),
        ),
        migrations.RunSQL(QUEUE, QUEUE_BACKWARD),
        migrations.AlterField(
            model_name='message',
            name='batch',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='mailer.batch'),
        ),
        migrations.AlterField(
            model_name='message',
            name='match',
            field=models.CharField(blank=True, max_length=320, verbose_name='folded address'),
        ),
        migrations.AlterField(
            model_name='message',
            name='organization',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='directory.organization'),
        ),
        migrations.AlterField(
            model_name='message',
            name='recipient',
            field=models.CharField(blank=True, max_length=320, verbose_name='recipient'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['match'], name='message_of_recipient'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(('erased_at__isnull', True), models.Q(('domain', ''), ('match', ''), ('recipient', ''), ('reference', ''), ('relay_reply', ''), ('status__in', ['handed', 'delivered', 'bounced', 'failed', 'expired', 'cancelled'])), _connector='OR'), name='recipient_until_the_end'),
        ),
        migrations.AddField(
            model_name='pause',
            name='organization',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='pauses', to='directory.organization'),
        ),
        migrations.AddConstraint(
            model_name='pause',
            constraint=models.UniqueConstraint(condition=models.Q(('resumed_at__isnull', True)), fields=('organization', 'domain'), name='pause_once_a_scope', nulls_distinct=False),
        ),
    ]
