"""Domains of mailbox providers, where anybody can have an address: control of them proves no organisation."""

# The large ones and the throw-away ones; whoever is missed here still has to prove the domain and be seen by two people.
PUBLIC_MAIL = frozenset({
    "126.com", "139.com", "163.com", "189.cn", "10minutemail.com", "aliyun.com", "aol.com", "arcor.de", "bluewin.ch", "bol.com.br", "cock.li",
    "comcast.net", "daum.net", "dispostable.com", "duck.com", "email.cz", "fastmail.com", "fastmail.fm", "foxmail.com", "free.fr", "freenet.de",
    "getnada.com", "gmail.com", "gmx.at", "gmx.ch", "gmx.com", "gmx.de", "gmx.net", "googlemail.com", "guerrillamail.com", "hanmail.net", "hey.com",
    "hotmail.co.uk", "hotmail.com", "hotmail.de", "hotmail.fr", "hotmail.it", "hushmail.com", "icloud.com", "inbox.lv", "interia.pl", "kakao.com",
    "keemail.me", "laposte.net", "libero.it", "list.ru", "live.com", "mac.com", "mail.com", "mail.de", "mail.ru", "mailbox.org", "mailinator.com",
    "mailo.com", "me.com", "msn.com", "naver.com", "o2.pl", "onet.pl", "orange.fr", "outlook.com", "outlook.de", "outlook.fr", "pm.me", "posteo.de",
    "posteo.net", "proton.me", "protonmail.ch", "protonmail.com", "qq.com", "rambler.ru", "rediffmail.com", "riseup.net", "rocketmail.com",
    "runbox.com", "seznam.cz", "sharklasers.com", "sina.cn", "sina.com", "sohu.com", "startmail.com", "t-online.de", "temp-mail.org", "tempmail.com",
    "terra.com.br", "throwawaymail.com", "tiscali.it", "trashmail.com", "tuta.com", "tuta.io", "tutamail.com", "tutanota.com", "tutanota.de",
    "ukr.net", "uol.com.br", "vip.qq.com", "virgilio.it", "wanadoo.fr", "web.de", "wp.pl", "ya.ru", "yahoo.ca", "yahoo.co.jp", "yahoo.co.uk",
    "yahoo.com", "yahoo.com.br", "yahoo.de", "yahoo.fr", "yahoo.it", "yandex.com", "yandex.ru", "yeah.net", "ymail.com", "yopmail.com", "ziggo.nl",
    "zoho.com", "zohomail.com",
})  # fmt: skip


def is_public_mail(domain: str) -> bool:
    """Whether a domain, or one it lies under, belongs to a mailbox provider."""
    labels = domain.lower().split(".")
    return any(".".join(labels[start:]) in PUBLIC_MAIL for start in range(len(labels)))
