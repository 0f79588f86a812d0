"""Sentences that were put together in English, in the reader's language.

Findings, causes of failures and services make sentences such as “numpy has no version 9”. They are stored and sent to
programs in English. `in_language` recognises a sentence by its template, translates the template, and fills in the
same values. The templates are collected from the source by `python -m scripts.sentences`.
"""

from studio.sentences.recognise import in_language

__all__ = ["in_language"]
