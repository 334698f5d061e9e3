"""Nodes: machines that show evidence to this gateway, and what counts of it (RFC 9334: the
gateway is verifier and relying party).

`register` says which device stands at which site, `judged` judges one piece of evidence and
knows neither store nor clock, `desk` keeps challenges, evidence and what stands of each node.
"""
