from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('directory', '0002_guards'),
    ]

    operations = [
        migrations.AddField(
            model_name='certificate',
            name='smime_capabilities',
            field=models.BinaryField(blank=True, null=True, verbose_name='SMIMECapabilities'),
        ),
    ]
