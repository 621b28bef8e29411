# ruff: noqa: RUF001
"""Texts in many scripts and with many signs, from which fuzzers derive others."""

SENTENCES = (
    "The train to the city leaves in ten minutes. Could you tell me where it is?",
    "Dr. Smith paid $1,234.50 at 10:05 a.m., e.g. for No. 5 & 3rd St. John vs. him; 50% off!",
    "In 1999 we had -3.5 °C, 1,000,000 people, 00042 and 12345678901234567890 stars...",
    "[laughs] ♪ In the jungle ♪ “Really?!” — she said (twice)… see example.com/a_b.",
    "Der 3. Mai war schön. Prof. Müller kam z. B. um 9 Uhr: »Na endlich!«",
    "今日は良い天気です。「はい、そうです！」ー々ゝ 你好，世界？好。한국어 문장입니다. 네!",
    "यह एक वाक्य है। डॉ. शर्मा आए॥ Он сказал: т.е. так. هل هذا صحيح؟ نعم.",
    "e\u0301 👩‍👩‍👧 🎉 :tada: €5 £7.99 \u2003\u00a0 \u200d\ufeff A\n\nB\n \n٣٤ ①② ½ Ⅷ",
)
