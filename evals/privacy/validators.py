"""Validators of values with a format, by third parties: python-stdnum, phonenumbers, detect-secrets and Python's standard
library. None was written for the recognisers that are measured with it."""

import ipaddress
from email.headerregistry import Address
from urllib.parse import urlsplit

import phonenumbers
import stdnum.luhn
import stdnum.mac
import stdnum.us.ssn
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.stripe import StripeDetector
from stdnum import iban

SECRETS = [plugin() for plugin in (AWSKeyDetector, GitHubTokenDetector, GitLabTokenDetector, SlackDetector, StripeDetector)]
# The countries of the package's telephone numbers.
REGIONS = ["US", "GB", "IN", "CH", "SE", "DE", "FR", "JP", "BR", "ZA", "AU", "NZ", "CA", "IT", "ES", "PT", "NL", "BE", "DK", "NO",
           "FI", "IS", "PL", "CZ", "HU", "AT", "SI", "HR", "EE", "GR", "CY", "TN", "UY", "GL", "RU"]


def validity(kind: str, value: str) -> bool | None:
    """Whether the value is valid; None for a type without a format."""
    validator = VALIDATORS.get(kind)
    return validator and validator(value)


def is_email(value: str) -> bool:
    try:
        address = Address(addr_spec=value)
    except ValueError:
        return False
    return "." in address.domain


def is_ip(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def is_phone(value: str) -> bool:
    """Valid as dialled in any of the countries, or internationally."""

    def is_valid(region: str) -> bool:
        try:
            return phonenumbers.is_valid_number(phonenumbers.parse(value, region))
        except phonenumbers.NumberParseException:
            return False

    return any(map(is_valid, REGIONS))


def has_credentials(value: str) -> bool:
    parts = urlsplit(value)
    return bool(parts.scheme and parts.hostname and parts.password)


def is_secret(value: str) -> bool:
    return any(secret for plugin in SECRETS for secret in plugin.analyze_string(value))


VALIDATORS = {
    "credit_card_number": stdnum.luhn.is_valid,
    "iban": lambda value: iban.is_valid(value, check_country=False),
    "ssn": stdnum.us.ssn.is_valid,
    "email": is_email,
    "ip_address": is_ip,
    "mac_address": lambda value: stdnum.mac.is_valid(value, validate_manufacturer=False),
    "phone_number": is_phone,
    "url_with_credentials": has_credentials,
    "api_key": is_secret,
}
