"""HTTPS of `manage.py run --https`: an authority and a certificate of the studio's own, and the server that uses them."""
