from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("directory", "0009_imported_by_age"),
    ]

    operations = [
        migrations.AlterField(
            model_name="certificate",
            name="mailbox",
            field=models.ForeignKey(db_index=False, on_delete=models.deletion.CASCADE, related_name="certificates", to="directory.mailbox"),
        ),
        migrations.AlterField(
            model_name="certificate",
            name="organization",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=models.deletion.PROTECT,
                related_name="certificates",
                to="directory.organization",
            ),
        ),
        migrations.AlterField(
            model_name="directoryevent",
            name="organization",
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=models.deletion.PROTECT, to="directory.organization"),
        ),
    ]
