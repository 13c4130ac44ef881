"""Texts on which tokenizers, and offsets into the original text, tend to differ.

Written with escapes where a plain character would not show what it is.
"""

TRICKY = [
    "",
    " ",
    "   \t \n ",
    "plain words",
    # Accents, precomposed and combining; the normaliser strips them.
    "caf\u00e9",
    "cafe\u0301",
    "e\u0301e\u0301 n\u0303 u\u0308 \u00fc",
    "\u00c0\u00c9\u00ce \u00d1\u00dc",
    "a\u0301\u0302\u0323bc",
    "\u0301 alone",
    # Lower-casing that changes the number of code points or bytes.
    "\u0130stanbul and I\u0307",
    "\u0131 \u017f \u212a",
    "Stra\u00dfe, STRASSE, \u1e9e",
    "\u039f\u0394\u039f\u03a3 \u03a3",
    # Compatibility characters, which BERT's normaliser keeps.
    "\ufb01ne \ufb02ow",
    "\uff21\uff22\uff23\uff11\uff12\uff13",
    "x\u00b2 \u00bd \u2460 \u2122",
    # CJK, kana and Hangul, also decomposed.
    "\u4eca\u65e5\u306f\u96e8",
    "abc\u4e2d\u6587def",
    "\ud55c\uad6d\uc5b4",
    "\u1112\u1161\u11ab\u1100\u116e\u11a8",
    "\u30ac\u30d1 \u30ab\u3099\u30cf\u309a",
    "\U00020000\U0002a6d6 rare",
    # Emoji: sequences with ZWJ, skin tone, flags, variation selector, keycap.
    "family \U0001f468\u200d\U0001f469\u200d\U0001f467 here",
    "\U0001f44d\U0001f3fd ok",
    "\U0001f1f5\U0001f1f9\U0001f1ef\U0001f1f5",
    "\u2764\ufe0f and 1\ufe0f\u20e3",
    "\U0001f600hello\U0001f600",
    # White space and characters that are removed.
    "tabs\tand\nlines\r\nand   spaces",
    "no\u00a0break\u2003em\u3000ideographic",
    "zero\u200bwidth\u200d \ufeffbom",
    "soft\u00adhyphen",
    "nul\x00bel\x07esc\x1bdel\x7f\x85end",
    "repl\ufffdacement",
    "\u202eright\u202c to left",
    # Other scripts.
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\u0928\u092e\u0938\u094d\u0924\u0947",
    "\u0439\u0451 \u0419\u0401",
    # Words at and beyond the limit of 100 characters for one word.
    "q" * 100,
    "x" + "q" * 100,
    "before " + "\u00e9" * 101 + " after",
    # Special tokens written out in the text.
    "a [MASK] b",
    "[CLS] twice [SEP] [SEP]",
    "[mask] [ MASK ] [MASK]x",
    "[PAD][UNK]",
    "## ##ing a##b",
    # Numbers, addresses, punctuation, code.
    "3.14 1,000,000 -7 1e-5 0xFF",
    "https://example.org/a?b=c%20d&e=\u00e9#f",
    "user.name+tag@example.co.uk",
    "don't \u2019quote\u2019 \u201cx\u201d \u2014 \u2026",
    "!?.,;:()[]{}<>@#$%^&*_-+=|\\/~`\"'",
    "\u20ac5 \u00a33 \u00a59 \u00a7 \u00b6 \u00b0",
    "snake_case camelCase kebab-case",
    "antidisestablishmentarianism unaffable",
]
