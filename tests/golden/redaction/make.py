"""Regenerates the golden values of the redaction (see README.md).

    python make.py

The references are phonenumbers (telephone numbers), python-stdnum (cards, IBANs, social security numbers), detect-secrets
(secrets) and unicodedata2 (digits), at the versions in requirements.txt.
"""

import json
import random
import string
from pathlib import Path

import phonenumbers
import unicodedata2
from detect_secrets.plugins import (
    artifactory, aws, azure_storage_key, basic_auth, discord, github_token, gitlab_token, jwt, mailchimp, npm, openai, private_key,
    pypi_token, sendgrid, slack, square_oauth, stripe, telegram_token, twilio)
from phonenumbers import PhoneNumberFormat as Format
from phonenumbers import PhoneNumberType as Type
from stdnum import iban, luhn
from stdnum.us import ssn

from near_misses import NEAR_MISSES, OTHER_BY_CONTEXT

HERE = Path(__file__).resolve().parent
SEED = 2026
# What is around a value in its text.
PLACES = [("", ""), ("It is ", "."), ("(", ")"), ("Ann: ", ", or"), ("\n", "\n"), ('"', '" and'), ("«", "»"), ("是", "吗")]
# The digit 0 of other scripts.
ZEROS = {"arabic": 0x660, "persian": 0x6F0, "devanagari": 0x966, "bengali": 0x9E6, "gujarati": 0xAE6, "tamil": 0xBE6, "thai": 0xE50,
         "khmer": 0x17E0, "wide": 0xFF10, "bold": 0x1D7CE, "monospace": 0x1D7F6}
# The regions of near misses: whose numbers the reference must not find in them.
REGIONS = ["US", "GB", "DE", "FR", "ES", "RU", "BR", "IN"]


def in_script(text: str, zero: int) -> str:
    return "".join(chr(zero + int(char)) if char in string.digits else char for char in text)


def is_possible(text: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        return False


class Cases:
    """Texts with one value each, and where the value is in their bytes."""

    def __init__(self):
        self.rows, self.seen = [], set()

    def add(self, value: str, place: tuple[str, str] | None = None) -> None:
        if value in self.seen:
            return
        self.seen.add(value)
        before, behind = place or PLACES[len(self.rows) % len(PLACES)]
        start = len(before.encode())
        self.rows.append([before + value + behind, start, start + len(value.encode())])


def write(name: str, value) -> None:
    """One case a line: a diff shows which one changed."""
    def lines(rows):
        return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]"

    if isinstance(value, dict):
        text = "{\n" + ",\n".join(f"{json.dumps(key)}: {lines(rows)}" for key, rows in value.items()) + "\n}"
    else:
        text = lines(value)
    (HERE / name).write_text(text + "\n", encoding="utf-8")


# Telephone numbers

# How the spaces of the international form are written.
SPACES = ["\u00a0", "\u202f", "  ", "-", " - ", "\u2011", "\u2013", ".", " / ", "\n"]
# Words in front of a number.
WORDS = ["Tel.: ", "Phone ", "call ", "teléfono ", "téléphone : ", "Telefonnummer: ", "móvil ", "Mobil: ", "fax ", "telemóvel: ",
         "tel. ", "WhatsApp: ", "celular ", "Handy: ", "cell. "]
# Countries whose numbers are found by themselves though they have neither a trunk zero nor parentheses in their national form.
# Those of the others are seven or eight digits, or pairs: as many ordinary numbers are.
BARE = {("IN", Type.MOBILE), ("CN", Type.MOBILE), ("RU", Type.MOBILE), ("RU", Type.FIXED_LINE), ("KZ", Type.MOBILE), ("ES", Type.MOBILE),
        ("PL", Type.MOBILE), ("CZ", Type.MOBILE), ("PT", Type.MOBILE), ("IT", Type.MOBILE), ("GR", Type.MOBILE), ("BR", Type.MOBILE),
        ("US", Type.MOBILE), ("CA", Type.MOBILE)}


def phones() -> dict:
    international, national, named = Cases(), Cases(), Cases()
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (Type.FIXED_LINE, Type.MOBILE):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is None or not phonenumbers.is_valid_number(number):
                continue

            def is_it(text: str) -> bool:
                # The reference reads no line breaks, and not the digits of all scripts.
                plain = "".join(str(unicodedata2.decimal(char, char)) for char in text.replace("\n", " ").replace("\u202f", " "))
                try:
                    return phonenumbers.parse(plain, region) == number
                except phonenumbers.NumberParseException:
                    print("the reference does not read", repr(text))
                    return False

            plus = phonenumbers.format_number(number, Format.INTERNATIONAL)
            index = len(international.rows)
            forms = [phonenumbers.format_number(number, Format.E164), plus]
            forms.append(plus.replace(" ", SPACES[index // 3 % len(SPACES)]))
            forms.append("\n".join(plus.rsplit(" ", 1)))
            forms.append(in_script(plus, list(ZEROS.values())[index % len(ZEROS)]))
            for form in forms:
                # A line ends at one place alone, and not behind what is a number by itself.
                first, *rest = form.split("\n")
                if len(rest) < 2 and is_it(form) and not (rest and is_possible(first)):
                    international.add(form)
            home = phonenumbers.format_number(number, Format.NATIONAL)
            digits = sum(char.isdigit() for char in home)
            # A few digits are no secret, and one form is that of another number.
            if is_it(home) and digits >= 6 and not ssn.is_valid(home.replace(" ", "-")):
                named.add(home, (WORDS[len(named.rows) % len(WORDS)], "."))
                if (home.startswith("0") and 9 <= digits <= 12) or home.startswith("(") or (region, kind) in BARE:
                    national.add(home)
                    national.add(home.replace(" ", "\u00a0").replace("-", "\u2011"))
                    national.add(in_script(home, list(ZEROS.values())[len(national.rows) % len(ZEROS)]))
    return {"international": international.rows, "national": national.rows, "named": named.rows}


def calling_codes() -> list:
    """Of each calling code: how many digits its shortest number has with it, and whether all have as many."""
    lengths = {}
    for region in phonenumbers.SUPPORTED_REGIONS:
        data = phonenumbers.PhoneMetadata.metadata_for_region(region)
        known = [desc.possible_length for desc in (data.fixed_line, data.mobile) if desc is not None]
        lengths.setdefault(data.country_code, set()).update(length for of_kind in known for length in of_kind if length > 0)
    return [[str(code), len(str(code)) + min(found), len(found) == 1] for code, found in sorted(lengths.items())]


# Numbers with a check

CARDS = [("4", [4, 4, 4, 4]), ("4", [4, 4, 4, 4, 3]), ("51", [4, 4, 4, 4]), ("2223", [4, 4, 4, 4]), ("34", [4, 6, 5]), ("37", [4, 6, 5]),
         ("6011", [4, 4, 4, 4]), ("65", [4, 4, 4, 4]), ("36", [4, 6, 4]), ("3530", [4, 4, 4, 4]), ("62", [4, 4, 4, 4]),
         ("2200", [4, 4, 4, 4]), ("5018", [4, 4, 4, 4])]
SEPARATORS = ["", " ", "-", "  ", ".", " - ", "\u00a0", "\u2009", "\u202f", "\u2010", "\u2011", "\u2012", "\u2013", "\u2212", "\u00b7"]


def draw(rng, alphabet: str, count: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(count))


def in_groups(text: str, sizes: list[int]) -> list[str]:
    groups, at = [], 0
    for size in sizes:
        groups.append(text[at:at + size])
        at += size
    return groups


def add_written(cases: Cases, groups: list[str]) -> None:
    """The value with each separator, with one line break, and in other scripts."""
    for separator in SEPARATORS:
        cases.add(separator.join(groups))
    middle = len(groups) // 2
    for end in ["\n", "\r\n", " \n  ", "-\n"]:
        separator = "-" if end.startswith("-") else " "
        cases.add(separator.join(groups[:middle]) + end + separator.join(groups[middle:]))
    for zero in ZEROS.values():
        cases.add(in_script(" ".join(groups), zero))


def cards(rng) -> tuple[list, list]:
    valid, invalid = Cases(), Cases()
    for prefix, sizes in CARDS:
        body = prefix + draw(rng, string.digits, sum(sizes) - 1 - len(prefix))
        number = body + luhn.calc_check_digit(body)
        assert luhn.is_valid(number)
        add_written(valid, in_groups(number, sizes))
        wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
        assert not luhn.is_valid(wrong)
        for separator in ("", " ", "-"):
            invalid.add(separator.join(in_groups(wrong, sizes)))
    return valid.rows, [row[0] for row in invalid.rows]


def ibans(rng) -> list:
    cases = Cases()
    alphabets = {"n": string.digits, "a": string.ascii_uppercase, "c": string.digits + string.ascii_uppercase}
    for country in (a + b for a in string.ascii_uppercase for b in string.ascii_uppercase):
        structure = iban._ibandb.info(country)[0][1].get("bban")
        if not structure:
            continue
        parts = [part.split("!") for part in structure.replace("n", "n ").replace("a", "a ").replace("c", "c ").split()]
        bban = "".join(draw(rng, alphabets[kind], int(count)) for count, kind in parts)
        # Of letters alone hardly any account is made: the digits of the registry's examples are the rule.
        if sum(char.isdigit() for char in bban) * 2 < len(bban):
            bban = "".join(draw(rng, string.digits if kind == "c" else alphabets[kind], int(count)) for count, kind in parts)
        number = country + iban.calc_check_digits(country + "00" + bban) + bban
        assert iban.is_valid(number, check_country=False), number
        groups = in_groups(number, [4] * (len(number) // 4) + ([len(number) % 4] if len(number) % 4 else []))
        if country in ("DE", "GB", "FR", "NO", "MT", "BR"):
            add_written(cases, groups)
        else:
            for separator in ("", " ", ".", "\u00a0"):
                cases.add(separator.join(groups))
    return cases.rows


def social_security(rng) -> list:
    cases = Cases()
    while len(cases.rows) < 60:
        groups = in_groups(draw(rng, string.digits, 9), [3, 2, 4])
        if ssn.is_valid("-".join(groups)):
            for separator in ("-", " ", ".", "\u2011", "\u00a0", " - "):
                cases.add(separator.join(groups))
            cases.add(in_script("-".join(groups), ZEROS["devanagari"]))
    return cases.rows


# Secrets

LETTERS = string.ascii_letters + string.digits
SMALL = string.ascii_lowercase + string.digits
HEX = string.hexdigits[:16]
URL_SAFE = LETTERS + "-_"
BASE64 = LETTERS + "+/"


def secrets(rng) -> list:
    """Made up, each found by its detector. Key and value where only the key gives a value away."""

    def mixed(alphabet: str, count: int) -> str:
        while True:
            drawn = draw(rng, alphabet, count)
            if drawn[0].isalnum() and drawn[-1].isalnum() and any(char.isdigit() for char in drawn):
                return drawn

    jwt_head = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    jwt_body = "eyJzdWIiOiIxMjM0NTY3ODkwIn0"
    number = lambda count: "1" + draw(rng, string.digits, count - 1)
    made = [
        (artifactory.ArtifactoryDetector, lambda: ("", "AKC" + mixed(LETTERS, 70))),
        (artifactory.ArtifactoryDetector, lambda: ("", "AP5" + mixed(LETTERS, 36))),
        (aws.AWSKeyDetector, lambda: ("", "AKIA" + draw(rng, string.ascii_uppercase + string.digits, 16))),
        (aws.AWSKeyDetector, lambda: ("", "ASIA" + draw(rng, string.ascii_uppercase + string.digits, 16))),
        (aws.AWSKeyDetector, lambda: ("", "A3TX" + draw(rng, string.ascii_uppercase + string.digits, 16))),
        (azure_storage_key.AzureStorageKeyDetector, lambda: ("AccountKey=", draw(rng, BASE64, 86) + "==")),
        (basic_auth.BasicAuthDetector, lambda: ("", f"https://ann:{mixed(LETTERS, 12)}@example.com")),
        (discord.DiscordBotTokenDetector, lambda: ("", f"M{mixed(LETTERS, 23)}.{mixed(URL_SAFE, 6)}.{mixed(URL_SAFE, 27)}")),
        (github_token.GitHubTokenDetector, lambda: ("", rng.choice(["ghp_", "gho_", "ghu_", "ghs_", "ghr_"]) + mixed(LETTERS, 36))),
        (gitlab_token.GitLabTokenDetector, lambda: ("", rng.choice(["glpat-", "gldt-", "glft-", "glsoat-", "glrt-"]) + mixed(URL_SAFE, 20))),
        (gitlab_token.GitLabTokenDetector, lambda: ("", "glptt-" + mixed(SMALL, 40))),
        (gitlab_token.GitLabTokenDetector, lambda: ("", "glimt-" + mixed(URL_SAFE, 25))),
        (gitlab_token.GitLabTokenDetector, lambda: ("", "glagent-" + mixed(URL_SAFE, 50))),
        (jwt.JwtTokenDetector, lambda: ("", f"{jwt_head}.{jwt_body}.{mixed(URL_SAFE, 43)}")),
        (mailchimp.MailchimpDetector, lambda: ("", f"{draw(rng, HEX, 32)}-us{rng.randrange(1, 22)}")),
        (npm.NpmDetector, lambda: ("//registry.example.com/:_authToken=", "npm_" + mixed(LETTERS, 36))),
        (openai.OpenAIDetector, lambda: ("", f"sk-proj-{mixed(LETTERS, 20)}T3BlbkFJ{mixed(LETTERS, 20)}")),
        (pypi_token.PypiTokenDetector, lambda: ("", "pypi-AgEIcHlwaS5vcmc" + mixed(URL_SAFE, 72))),
        (sendgrid.SendGridDetector, lambda: ("", f"SG.{mixed(URL_SAFE, 22)}.{mixed(URL_SAFE, 43)}")),
        (slack.SlackDetector, lambda: ("", f"{rng.choice(['xoxb', 'xoxp', 'xoxa', 'xoxo', 'xoxs', 'xoxr'])}-{number(12)}-{mixed(SMALL, 24)}")),
        (slack.SlackDetector, lambda: ("", f"https://hooks.slack.com/services/T{mixed(LETTERS, 8)}/B{mixed(LETTERS, 8)}/{mixed(LETTERS, 24)}")),
        (square_oauth.SquareOAuthDetector, lambda: ("", "sq0csp-" + mixed(URL_SAFE, 43))),
        (stripe.StripeDetector, lambda: ("", rng.choice(["sk", "rk"]) + "_live_" + mixed(LETTERS, 24))),
        (telegram_token.TelegramBotTokenDetector, lambda: ("", f"{number(rng.randrange(8, 11))}:{mixed(URL_SAFE, 35)}")),
        (twilio.TwilioKeyDetector, lambda: ("", rng.choice(["AC", "SK"]) + mixed(SMALL, 32))),
        (private_key.PrivateKeyDetector, lambda: ("", f"-----BEGIN RSA PRIVATE KEY-----\n{mixed(BASE64, 64)}\n-----END RSA PRIVATE KEY-----")),
    ]
    rows = []
    places = [("", ""), ("It is ", " now"), ("\n", "\n"), ('"', '"')]
    for index, (detector, make) in enumerate(made):
        for place in places:
            name, secret = make()
            line = (name + secret).split("\n")[0]
            assert list(detector().analyze_string(line)), line
            # A name and a value are looked for as they stand in a file.
            before, behind = (place[0] + name, place[1]) if not name or "\n" in place[0] else (name, "")
            start = len(before.encode())
            rows.append([before + secret + behind, start, start + len(secret.encode())])
    return rows


def near_misses(wrong_cards: list[str]) -> list[str]:
    """Texts without a value. The reference finds no telephone number in the first of them."""
    for text in NEAR_MISSES:
        for region in REGIONS:
            found = list(phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.EXACT_GROUPING))
            assert not found, (text, region, found)
    return NEAR_MISSES + OTHER_BY_CONTEXT + wrong_cards


def digits() -> list:
    """The digit 0 of every script, and its code."""
    codes = [code for code in range(0x80, 0x110000) if unicodedata2.category(chr(code)) == "Nd"]
    zeros = [code for code in codes if unicodedata2.decimal(chr(code)) == 0]
    assert sorted(codes) == sorted(zero + value for zero in zeros for value in range(10))
    return [[f"{code:X}", chr(code)] for code in zeros]


def main() -> None:
    rng = random.Random(SEED)
    write("phones.json", phones())
    write("calling_codes.json", calling_codes())
    valid, invalid = cards(rng)
    write("numbers.json", {"cards": valid, "ibans": ibans(rng), "ssns": social_security(rng)})
    write("secrets.json", secrets(rng))
    write("near_misses.json", near_misses(invalid))
    write("digits.json", digits())


if __name__ == "__main__":
    main()
