"""Accepted → ready, or overdue. Read in this order: `facts` (what the topics say), `ledger` (what is pending), `watch` (follows
the topics, for the owner), `reconciler` (asks SEEN).
"""
