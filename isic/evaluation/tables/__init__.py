"""The paper's tables (sections 4.2, 4.3) out of scores.json files: published rows and this run's,
never mixed. Table 1 and Tables 2 to 4 have a file each. What both need of the results is in
`results`, and a table as text in `printing`.
"""
