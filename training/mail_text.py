"""Extracts the text of a mail: its subject and its body.

Headers other than the subject never reach the model: many of them (list identifiers, spam-filter marks, relays) reveal the label
and not the message. The same holds for what mailing lists and the authors of the corpus added to subject and body, which is
removed here as well.
"""

import email
import html
import quopri
import re
from base64 import b64decode
from binascii import Error as Base64Error
from email.errors import HeaderParseError
from email.header import decode_header
from html.parser import HTMLParser

# A user's mail may be long; the encoder reads 256 tokens. This bound keeps the
# files small and is far beyond those tokens.
MAX_CHARACTERS = 8000

LOOKS_LIKE_HTML = re.compile(r"<(html|body|table|font|br|div|p|a\s+href)\b", re.IGNORECASE)
LIST_TAG = re.compile(r"\[[^\]\n]{1,40}\]\s*")
FILTER_REPORT = re.compile(r"^SPAM: .*\n?", re.MULTILINE)
# Footers of Mailman, SourceForge, Yahoo! Groups: from their rule to the end of the mail.
LIST_FOOTERS = (
    re.compile(r"^-{20,}\s*\nThis sf\.net email is sponsored by.*", re.MULTILINE | re.DOTALL),
    re.compile(r"^-{10,} Yahoo! Groups Sponsor .*", re.MULTILINE | re.DOTALL),
    re.compile(r"^_{30,}\s*\n(?=(?:[^\n]*\n){0,6}?[^\n]*(?:mailing list|listinfo|@)).{0,600}\Z", re.MULTILINE | re.DOTALL),
    re.compile(r"^-- \n(?=(?:[^\n]*\n){0,6}?[^\n]*(?:mailing list|listinfo|unsubscribe@)).{0,600}\Z", re.MULTILINE | re.DOTALL),
    re.compile(r"^.*/mailman/listinfo/.*$", re.MULTILINE),
)
# The corpus hides its collector behind these names; they say who received the mail, not what it is.
COLLECTOR_HOST = re.compile(r"[\w.-]*(?:taint\.org|netnoteinc\.com|jmason\.org)", re.IGNORECASE)
COLLECTOR_NAME = re.compile(r"\b(?:jm|jmason|zzzz+|yyyy+|qqqq+)(?=@|\b)", re.IGNORECASE)

BLOCK_TAGS = {"address", "blockquote", "br", "center", "dd", "div", "dt", "form", "h1", "h2", "h3", "h4", "h5", "h6",
              "hr", "li", "ol", "p", "pre", "table", "td", "th", "tr", "ul"}
HIDDEN_TAGS = {"head", "noscript", "script", "select", "style", "title"}


def mail_parts(raw: str) -> tuple[str, str]:
    """The subject and the body of one raw mail, each as plain text, each perhaps empty."""
    message = email.message_from_string(raw)
    return tidy(clean_subject(decoded_subject(message))), tidy(clean_body(body_text(message)))


def whole_text(subject: str, body: str) -> str:
    """What a person would paste: empty where nothing readable is left."""
    return f"{subject}\n\n{body}"[:MAX_CHARACTERS].strip()


def decoded_subject(message) -> str:
    raw = str(message.get("Subject", ""))
    try:
        parts = decode_header(raw)
    except (HeaderParseError, Base64Error, ValueError):
        return raw
    return "".join(part if isinstance(part, str) else decode_bytes(part, charset) for part, charset in parts)


def clean_subject(subject: str) -> str:
    """Takes `[list]` tags off, wherever a reply put them; keeps `Re:`, which people paste."""
    return hide_collector(LIST_TAG.sub("", " ".join(subject.split())))


def body_text(message) -> str:
    """The first plain part, else the first HTML part with its tags removed."""
    plain, marked_up = [], []
    for part in message.walk():
        if part.is_multipart() or part.get_filename():
            continue
        kind = part.get_content_type()
        if kind == "text/html":
            marked_up.append(part)
        elif kind == "text/plain":
            plain.append(part)
    for part in plain:
        text = decoded_payload(part)
        if text.strip():
            return strip_html(text) if LOOKS_LIKE_HTML.search(text) else text
    return "\n".join(strip_html(decoded_payload(part)) for part in marked_up[:1])


def decoded_payload(part) -> str:
    """Undoes the transfer encoding. The corpus already holds 8-bit bodies as characters."""
    payload = part.get_payload()
    if not isinstance(payload, str):
        return ""
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    charset = part.get_content_charset()
    if encoding == "quoted-printable":
        return decode_bytes(quopri.decodestring(payload.encode("utf-8")), charset)
    if encoding == "base64":
        try:
            letters = re.sub(r"[^A-Za-z0-9+/]", "", payload)
            return decode_bytes(b64decode(letters + "=" * (-len(letters) % 4)), charset)
        except Base64Error:
            return ""
    return payload


def decode_bytes(data: bytes, charset: str | None) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode(charset or "latin-1", errors="replace")
    except LookupError:
        return data.decode("latin-1")


def clean_body(text: str) -> str:
    text = FILTER_REPORT.sub("", text.replace("\r\n", "\n"))
    for footer in LIST_FOOTERS:
        text = footer.sub("", text)
    return hide_collector(text)


def hide_collector(text: str) -> str:
    return COLLECTOR_NAME.sub("user", COLLECTOR_HOST.sub("example.com", text))


def tidy(text: str) -> str:
    """One space between words, no more than one empty line, no undecodable or control characters."""
    text = re.sub(r"[\ufffd\u200b\ufeff\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "", text)
    lines = (" ".join(line.split()) for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def strip_html(source: str) -> str:
    """The words of an HTML text, a new line for each block; comments, styles and scripts are dropped."""
    reader = HtmlWords()
    try:
        reader.feed(source)
        reader.close()
    except AssertionError:
        # The parser fails on some malformed declarations; the rest is still a mail.
        return html.unescape(re.sub(r"<[^>]*>", " ", source))
    return "".join(reader.words)


class HtmlWords(HTMLParser):
    """Collects text outside hidden elements."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.hidden: str | None = None

    def handle_starttag(self, tag, attrs):
        # Mails of 2002 leave tags open: only the element that hides counts, and `<body>` ends a `<head>`.
        if tag == "body":
            self.hidden = None
        elif tag in HIDDEN_TAGS and self.hidden is None:
            self.hidden = tag
        if tag in BLOCK_TAGS:
            self.words.append("\n")

    def handle_endtag(self, tag):
        if tag == self.hidden:
            self.hidden = None

    def handle_data(self, data):
        if self.hidden is None:
            self.words.append(data)
