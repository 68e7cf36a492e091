from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailer", "0014_purposes_of_owners_links"),
    ]

    operations = [
        migrations.AddField(
            model_name="erasedaddress",
            name="had_live",
            field=models.BooleanField(default=False, verbose_name="had a live certificate"),
        ),
    ]
