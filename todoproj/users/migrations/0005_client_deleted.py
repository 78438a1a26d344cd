"""An event for OAuth clients that staff delete."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("users", "0004_erase_people"),
    ]

    operations = [
        migrations.AlterField(
            model_name="securityevent",
            name="kind",
            field=models.CharField(
                choices=[
                    ("logged_in", "Logged in"),
                    ("login_failed", "Login failed"),
                    ("locked_out", "Locked out after too many failures"),
                    ("logged_out", "Logged out"),
                    ("logged_out_everywhere", "Logged out everywhere"),
                    ("account_created", "Account created"),
                    ("account_deleted", "Account deleted"),
                    ("erasure_begun", "Erasure begun"),
                    ("data_downloaded", "Own data downloaded"),
                    ("password_changed", "Password changed"),
                    ("token_issued", "Token issued"),
                    ("token_revoked", "Token revoked"),
                    ("token_reused", "Token or code used a second time"),
                    ("app_connected", "App allowed"),
                    ("app_disconnected", "App disconnected"),
                    ("client_registered", "OAuth client registered"),
                    ("client_deleted", "OAuth client deleted, with all that it held"),
                    ("permission_refused", "Permission refused"),
                ],
                max_length=30,
            ),
        ),
    ]
