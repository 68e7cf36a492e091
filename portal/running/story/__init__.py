"""The main job, played from outside: forms and tokens over HTTP, mail out of the SMTP inbox, keys and verdicts by `openssl`.

Nothing here imports Django: what the story sees is what a customer's browser and programs see.
"""
