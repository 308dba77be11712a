"""Salesforce by its REST API.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/
"""
