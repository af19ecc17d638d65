"""The channels an alert goes through: the log, e-mail and a webhook, each by the standard library.

A channel sends one alert or raises; what did not arrive is `outbox`'s business. There is no client of one chat service:
Slack, Mattermost, Google Chat and Discord's Slack form all read the same JSON with a `text`, and dagster-slack would
add a dependency and a token to send it. SMTP is what every provider of mail speaks.
"""

import http.client
import json
import logging
import smtplib
import ssl
import urllib.error
import urllib.request
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Protocol

from twin_assets.alerting.messages import Alert
from twin_assets.settings import Settings

SECONDS = 10.0
"""How long a server may take to answer. The channels are asked within a sensor's tick, which has 60."""


ABOUT_THE_CONTENT = (400, 413, 415, 422)
"""Answers of HTTP to what was posted; all others are about the address, who asks, how often, or the server."""


class UndeliveredError(Exception):
    """A channel did not take an alert; the message says why, without an address that is a secret."""


class RefusedError(UndeliveredError):
    """A channel is there and did not take this one alert; it may take the next."""


class Channel(Protocol):
    """What takes an alert."""

    name: str

    def send(self, alert: Alert) -> None:
        """Send one alert.

        Raises:
            UndeliveredError: If it did not arrive; a RefusedError if that lies in the alert.
        """
        ...


class LogChannel:
    """The log of the sensor's tick, which the Dagster UI shows."""

    name = "log"

    def __init__(self, log: logging.Logger) -> None:
        self._log = log

    def send(self, alert: Alert) -> None:
        """Write the alert as one record: a failure is an error, a promotion is news."""
        self._log.log(logging.ERROR if alert.kind == "failure" else logging.INFO, alert.text)


class EmailChannel:
    """A server of mail."""

    name = "e-mail"

    def __init__(self, settings: Settings, log: logging.Logger) -> None:
        self._settings, self._log = settings, log

    def send(self, alert: Alert) -> None:
        """Send the alert to everybody named; an address that is refused alone is told in the log.

        Sent again, the alert would only reach the others a second time.

        Raises:
            UndeliveredError: If the server cannot be reached, or refuses us, or all addresses; a RefusedError if it
                refuses what the alert says.
        """
        settings = self._settings
        try:
            message = self._message(alert)
            with smtplib.SMTP(str(settings.smtp_host), settings.smtp_port, timeout=SECONDS) as server:
                if settings.smtp_starttls:
                    server.starttls(context=ssl.create_default_context())
                if settings.smtp_user:
                    password = settings.smtp_password.get_secret_value() if settings.smtp_password else ""
                    server.login(settings.smtp_user, password)
                refused = server.send_message(message)
        except smtplib.SMTPDataError as error:
            raise RefusedError(f"{settings.smtp_host} refused it ({error.smtp_code}).") from error
        # A password that is not ASCII, or a line break in a header, is a ValueError.
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise UndeliveredError(f"{settings.smtp_host} did not take it ({type(error).__name__}).") from error
        if refused:
            self._log.warning(
                f"{settings.smtp_host} refused {len(refused)} of {len(addresses(settings))} addresses: look at "
                "TWIN_ALERT_EMAIL_TO. The others have the mail."
            )

    def _message(self, alert: Alert) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = f"[twin] {alert.subject}"
        message["From"] = self._settings.alert_email_from
        message["To"] = ", ".join(addresses(self._settings))
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain="twin-assets.example")
        message.set_content(alert.text)
        return message


class WebhookChannel:
    """An address that takes JSON by POST."""

    name = "webhook"

    def __init__(self, settings: Settings) -> None:
        self._url = settings.alert_webhook_url

    def send(self, alert: Alert) -> None:
        """Send the alert.

        Raises:
            UndeliveredError: If the address does not answer with 2xx; a RefusedError if the answer is about what the
                alert says.
        """
        url = self._url.get_secret_value() if self._url else ""
        if not url.startswith(("http://", "https://")):
            raise UndeliveredError("TWIN_ALERT_WEBHOOK_URL is not an address: it begins with https://.")
        body = json.dumps({"text": alert.text, **alert.model_dump(include={"kind", "subject", "link"})})
        request = urllib.request.Request(  # noqa: S310 - the scheme is looked at above
            url, data=body.encode(), headers={"Content-Type": "application/json"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310 - as above
                pass
        except urllib.error.HTTPError as error:
            error.close()
            refused = RefusedError if error.code in ABOUT_THE_CONTENT else UndeliveredError
            raise refused(f"The webhook answered {error.code}.") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise UndeliveredError(f"The webhook cannot be reached ({type(error).__name__}).") from error


def channels_of(settings: Settings, log: logging.Logger) -> list[Channel]:
    """Return the channels that the settings name; the log is always one."""
    channels: list[Channel] = [LogChannel(log)]
    if settings.smtp_host and addresses(settings):
        channels.append(EmailChannel(settings, log))
    if settings.alert_webhook_url:
        channels.append(WebhookChannel(settings))
    return channels


def addresses(settings: Settings) -> list[str]:
    """Return who is told by e-mail."""
    return [address.strip() for address in (settings.alert_email_to or "").split(",") if address.strip()]
