from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("videos", "0004_figures_and_admin_indexes")]

    operations = [
        migrations.AddField(
            model_name="video",
            name="unmetered",
            field=models.BooleanField(db_default=False, help_text="An operator asked for it: its user pays nothing."),
        ),
    ]
