"""Experiments on real data: does ACDA help, by how much, at what cost?"""
