"""The gateway attests itself: a TPM quotes over the key that signs decisions and over what it
decides with. Each decision names the document, and whoever relies on it can check both.
"""
