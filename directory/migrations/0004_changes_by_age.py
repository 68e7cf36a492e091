from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('directory', '0003_smime_capabilities'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='change',
            index=models.Index(condition=models.Q(('done_at__isnull', False)), fields=['done_at'], name='change_done'),
        ),
    ]
