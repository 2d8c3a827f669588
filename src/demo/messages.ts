/**
 * The mail of the demo's maildrop: a few dozen messages from people who do not exist, each showing one thing
 * that real mail does. Owns their octets, the same in each run; knows nothing of POP3. Line ends are written as
 * LF here, to be read, and are CRLF in every message.
 */
import { base64Lines, bellWave, onePagePdf, sunsetBitmap } from './attachments.js'

/** One sample message. */
export interface SampleMessage {
  /** Short and unique, for tests and logs. */
  readonly name: string
  /** What the message shows, in a few words. */
  readonly shows: string
  /** Whole lines, each with CRLF, without byte-stuffing. */
  readonly octets: Buffer
}

const LONGEST_LAWFUL_LINE = 998
const OVERLONG_LINE = 9_000
const LONG_SUBJECT = 4_096

// Written as ISO-2022-JP writes it: escape sequences around pairs of ASCII octets.
const JAPANESE_BODY =
  '\x1b$BEDCfMM\x1b(B\n\n' +
  '\x1b$B:y$,:i$-$^$7$?!#F|MKF|$N8a8eFs;~$K8x1`$NElLg$G$*2q$$$7$^$7$g$&!#\x1b(B\n' +
  '\x1b$B$*J[Ev$H$*Cc$O$3$A$i$GMQ0U$7$^$9!#\x1b(B\n\n' +
  '\x1b$B;3ED\x1b(B \x1b$B2V;R\x1b(B'

/**
 * Makes the sample messages. Takes some ten milliseconds, most of them for the two large attachments.
 *
 * @returns the messages in the order of their message-numbers, a friendly one first
 */
export function sampleMessages(): readonly SampleMessage[] {
  return [...everyday(), ...conversation(), ...languages(), ...structures(), ...edges(), ...hostile()]
}

function everyday(): readonly SampleMessage[] {
  return [
    mail(
      'welcome',
      'plain text',
      `
From: Postern <postern@example.org>
To: You <demo@example.org>
Subject: Welcome to the demo
Date: Mon, 2 Mar 2026 08:00:00 +0000
Message-ID: <welcome.1@postern.example.org>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

Hello,

you are reading this through postern: your client spoke to its listener,
postern spoke POP3S to the server that keeps this message, and both sides
were decoded on the way. Not an octet was changed.

The other messages are here to make your mail program work for its living:
odd charsets, deep MIME, lines that begin with a dot, and Subjects that
would like to take over your terminal.

Nobody in them exists.

    Postern
`,
    ),
    mail(
      'invoice',
      'a PDF attached in base64',
      `
From: "Holm & Daughters, Bookbinders" <accounts@holm.example.com>
To: demo@example.org
Subject: Invoice 2026-0117 for the repair of one atlas
Date: Tue, 3 Mar 2026 09:12:44 +0100
Message-ID: <inv-2026-0117@holm.example.com>
Reply-To: accounts@holm.example.com
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=_invoice"

This is a multi-part message in MIME format.

--=_invoice
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Dear customer,

your atlas is ready. The spine is new, the sea monsters are as they were.
Total due within 30 days: =E2=82=AC=C2=A0184.50. The invoice is attached.

Kind regards
Ingrid Holm

--=_invoice
Content-Type: application/pdf; name="invoice-2026-0117.pdf"
Content-Disposition: attachment; filename="invoice-2026-0117.pdf"
Content-Transfer-Encoding: base64

${attached(
  onePagePdf([
    'Holm & Daughters, Bookbinders',
    '',
    'Invoice 2026-0117                  3 March 2026',
    '',
    'Atlas, folio, spine renewed         EUR  160.00',
    'Marbled endpapers                   EUR   24.50',
    '-----------------------------------------------',
    'Total                               EUR  184.50',
    '',
    'Payable within 30 days. Thank you.',
  ]),
)}
--=_invoice--
`,
    ),
    mail(
      'newsletter',
      'text and HTML, unsubscribe headers',
      `
Return-Path: <bounce+demo=example.org@news.example.com>
From: The Allotment Gazette <gazette@news.example.com>
To: demo@example.org
Subject: Leeks, lately =?utf-8?Q?=E2=80=94?= and what the slugs think
Date: Wed, 4 Mar 2026 06:30:00 +0000
Message-ID: <issue-88.4411@news.example.com>
List-Id: The Allotment Gazette <gazette.news.example.com>
List-Unsubscribe: <https://news.example.com/u/4411>, <mailto:leave@news.example.com>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
Precedence: bulk
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="gazette-88"

--gazette-88
Content-Type: text/plain; charset=utf-8; format=flowed
Content-Transfer-Encoding: 8bit

THE ALLOTMENT GAZETTE · No. 88

Leeks want a deep hole and no pity. This week: three ways to plant them,\x20
one way to lose them, and a letter from a reader who talks to his slugs\x20
("they have stopped answering").

Read on: https://news.example.com/88
--gazette-88
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<!doctype html>
<html><body style=3D"font-family: Georgia, serif">
<h1>The Allotment Gazette</h1>
<p><b>Leeks</b> want a deep hole and no pity. This week: three ways to plant =
them, one way to lose them, and a letter from a reader who talks to his slugs=
 (&ldquo;they have stopped answering&rdquo;).</p>
<p><a href=3D"https://news.example.com/88">Read on</a></p>
<img src=3D"https://news.example.com/open/4411.gif" width=3D"1" height=3D"1" =
alt=3D"">
</body></html>
--gazette-88--
`,
    ),
    mail(
      'calendar-invite',
      'a meeting request (text/calendar)',
      `
From: Tomas Lindqvist <tomas@example.com>
To: demo@example.org, Amara Osei <amara@example.org>
Subject: Invitation: Lighthouse tour, Thursday 16:00
Date: Wed, 4 Mar 2026 11:02:10 +0100
Message-ID: <cal-7f21@example.com>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="cal"

--cal
Content-Type: text/plain; charset=us-ascii

Thursday at four, at the foot of the stairs. There are 214 of them.
--cal
Content-Type: text/calendar; charset=utf-8; method=REQUEST
Content-Transfer-Encoding: 8bit

BEGIN:VCALENDAR
PRODID:-//example.com//Calendar//EN
VERSION:2.0
METHOD:REQUEST
BEGIN:VEVENT
UID:7f21@example.com
DTSTAMP:20260304T100210Z
DTSTART:20260312T150000Z
DTEND:20260312T163000Z
SUMMARY:Lighthouse tour
LOCATION:Lighthouse\\, north mole
ORGANIZER;CN=Tomas Lindqvist:mailto:tomas@example.com
ATTENDEE;CN=Demo;RSVP=TRUE:mailto:demo@example.org
ATTENDEE;CN=Amara Osei;RSVP=TRUE:mailto:amara@example.org
END:VEVENT
END:VCALENDAR
--cal--
`,
    ),
    mail(
      'bounce',
      'a delivery status notification',
      `
Return-Path: <>
From: Mail Delivery System <mailer-daemon@mx.example.org>
To: demo@example.org
Subject: Undelivered mail returned to sender
Date: Thu, 5 Mar 2026 02:14:09 +0000
Message-ID: <20260305021409.A1F3@mx.example.org>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="A1F3.1772676849/mx.example.org"

This is a MIME-encapsulated message.

--A1F3.1772676849/mx.example.org
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I am sorry to have to inform you that your message could not be delivered.
The last server that I asked said:

<piano@nowhere.example.com>: host mx.nowhere.example.com said: 550 5.1.1
    no such user here, and no piano either

--A1F3.1772676849/mx.example.org
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
Arrival-Date: Thu, 5 Mar 2026 02:14:07 +0000

Final-Recipient: rfc822; piano@nowhere.example.com
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.nowhere.example.com
Diagnostic-Code: smtp; 550 5.1.1 no such user here, and no piano either

--A1F3.1772676849/mx.example.org
Content-Description: Undelivered message headers
Content-Type: text/rfc822-headers

From: demo@example.org
To: piano@nowhere.example.com
Subject: Is it still for sale?
Date: Thu, 5 Mar 2026 02:14:05 +0000
Message-ID: <piano-1@example.org>

--A1F3.1772676849/mx.example.org--
`,
    ),
    mail(
      'short',
      'as short as people write',
      `
From: amara@example.org
To: demo@example.org
Subject: keys
Date: Thu, 5 Mar 2026 07:58:31 +0000
Message-ID: <keys-1@example.org>

under the blue pot
`,
    ),
    mail(
      'patch',
      'a patch, with From lines and indentation that must survive',
      `
From: Noor Haddad <noor@example.com>
To: dev@lists.example.org
Cc: demo@example.org
Subject: [PATCH 1/2] tide: do not round the moon
Date: Thu, 5 Mar 2026 13:40:00 +0000
Message-ID: <20260305134000.1-noor@example.com>
X-Mailer: git-send-email 2.48.1

From the gauge at the north mole we know that the moon is not an integer.
Keep the fraction, and drop the table that made up for it.

From here on the error is below 2 cm.

Signed-off-by: Noor Haddad <noor@example.com>
---
 tide.c | 3 +--
 1 file changed, 1 insertion(+), 2 deletions(-)

diff --git a/tide.c b/tide.c
index 3f1c2aa..9b0de41 100644
--- a/tide.c
+++ b/tide.c
@@ -41,6 +41,5 @@ static double height(double moon)
 {
-	int whole = (int)moon;
-	return table[whole % 28];
+	return 2.1 * cos(moon / 14.77 * M_PI);
 }
\x20
--\x20
2.48.1
`,
    ),
    mail(
      'alert',
      'a machine that sends mail',
      `
Received: from pump7.example.org (pump7.example.org [192.0.2.71])
	by mx.example.org (Postfix) with ESMTP id 4C1D2
	for <demo@example.org>; Fri,  6 Mar 2026 03:00:01 +0000 (UTC)
From: root@pump7.example.org (Cron Daemon)
To: demo@example.org
Subject: Cron <root@pump7> /usr/local/bin/check-water
Date: Fri,  6 Mar 2026 03:00:01 +0000 (UTC)
Message-ID: <20260306030001.4C1D2@pump7.example.org>
Auto-Submitted: auto-generated
X-Cron-Env: <SHELL=/bin/sh>

tank 1   81 %   ok
tank 2   79 %   ok
tank 3   12 %   LOW since 02:41
pump 3   off    thermal switch
`,
    ),
  ]
}

function conversation(): readonly SampleMessage[] {
  const list = `List-Id: Bellringers <ringers.lists.example.org>
List-Post: <mailto:ringers@lists.example.org>
List-Archive: <https://lists.example.org/ringers>`
  return [
    mail(
      'list-question',
      'a mailing list: the question',
      `
From: Edda Brandt <edda@example.com>
To: ringers@lists.example.org
Subject: [ringers] Who has the key to the tower?
Date: Fri, 6 Mar 2026 10:00:00 +0100
Message-ID: <tower.1@example.com>
${list}

The lock was changed, and on Sunday we ring at nine.
Does anybody have the new key?

Edda
_______________________________________________
ringers mailing list
ringers@lists.example.org
`,
    ),
    mail(
      'list-reply',
      'a mailing list: the answer, quoting',
      `
From: Piet de Wit <piet@example.org>
To: ringers@lists.example.org
Subject: Re: [ringers] Who has the key to the tower?
Date: Fri, 6 Mar 2026 10:21:47 +0100
Message-ID: <tower.2@example.org>
In-Reply-To: <tower.1@example.com>
References: <tower.1@example.com>
${list}

On Fri, 6 Mar 2026 at 10:00, Edda Brandt wrote:
> The lock was changed, and on Sunday we ring at nine.
> Does anybody have the new key?

The sexton has it. He is in the Azores.

Piet
_______________________________________________
ringers mailing list
ringers@lists.example.org
`,
    ),
    mail(
      'list-second-reply',
      'a mailing list: quotes within quotes',
      `
From: Amara Osei <amara@example.org>
To: ringers@lists.example.org
Subject: Re: [ringers] Who has the key to the tower?
Date: Fri, 6 Mar 2026 12:05:12 +0000
Message-ID: <tower.3@example.org>
In-Reply-To: <tower.2@example.org>
References: <tower.1@example.com>
 <tower.2@example.org>
${list}

Piet de Wit wrote on 6 March:
> On Fri, 6 Mar 2026 at 10:00, Edda Brandt wrote:
>> Does anybody have the new key?
>
> The sexton has it. He is in the Azores.

Then the bells will have to wait for a boat.

Amara
_______________________________________________
ringers mailing list
ringers@lists.example.org
`,
    ),
  ]
}

function languages(): readonly SampleMessage[] {
  return [
    mail(
      'latin1',
      'ISO-8859-1 in eight bits',
      `
From: =?iso-8859-1?Q?J=FCrgen_Gro=DFmann?= <juergen@example.com>
To: demo@example.org
Subject: =?iso-8859-1?Q?Gr=FC=DFe_aus_K=F6ln?=
Date: Sat, 7 Mar 2026 09:30:00 +0100
Message-ID: <koeln-1@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: 8bit

Schöne Grüße aus Köln! Das Wetter ist mäßig, der Kuchen nicht.
Übermorgen fahren wir weiter, die Fähre geht um zwölf.

Jürgen
`,
      'latin1',
    ),
    mail(
      'windows-1252',
      'windows-1252, quotation marks and a euro sign',
      `
From: Claire Fontaine <claire@example.com>
To: demo@example.org
Subject: =?windows-1252?Q?Le_devis_=96_1_250_=80?=
Date: Sat, 7 Mar 2026 10:15:00 +0100
Message-ID: <devis-3@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=windows-1252
Content-Transfer-Encoding: 8bit

Bonjour,

comme pr\xe9vu, voici le devis \x96 1\xa0250\xa0\x80 pour \x93l\x92escalier en ch\xeane\x94.
Le menuisier dit que \x8cdipe aurait eu moins de marches\x85

Claire
`,
      'latin1',
    ),
    mail(
      'iso-2022-jp',
      'Japanese in ISO-2022-JP: escape sequences that are lawful',
      `
From: =?iso-2022-jp?B?GyRCOzNFRDJWO1IbKEI=?= <hanako@example.com>
To: demo@example.org
Subject: =?iso-2022-jp?B?GyRCPVUkTj04JF4kaiROJDQwRkZiGyhC?=
Date: Sat, 7 Mar 2026 18:00:00 +0900
Message-ID: <haru-1@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=iso-2022-jp
Content-Transfer-Encoding: 7bit

${JAPANESE_BODY}
`,
    ),
    mail(
      'koi8-r',
      'Russian in KOI8-R, base64',
      `
From: Vera <vera@example.org>
To: demo@example.org
Subject: =?koi8-r?B?99PU0sXewSDXIN7F1NfF0sc=?=
Date: Sat, 7 Mar 2026 13:00:00 +0300
Message-ID: <chetverg@example.org>
MIME-Version: 1.0
Content-Type: text/plain; charset=koi8-r
Content-Transfer-Encoding: base64

${attached(Buffer.from('\xf7\xd3\xd4\xd2\xc5\xde\xc1 \xd7 \xde\xc5\xd4\xd7\xc5\xd2\xc7.\r\n', 'latin1'))}
`,
    ),
    mail(
      'many-scripts',
      'UTF-8 with scripts that run both ways',
      `
From: =?utf-8?B?zpXOu8+Azq/OtM6x?= <elpida@example.org>
To: demo@example.org
Subject: =?utf-8?Q?Hello=2C_=D7=A9=D7=9C=D7=95=D7=9D=2C_?=
 =?utf-8?Q?=CE=B3=CE=B5=CE=B9=CE=AC_=CF=83=CE=BF=CF=85?=
Date: Sat, 7 Mar 2026 14:20:00 +0200
Message-ID: <scripts-1@example.org>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Γειά σου,   שלום,   مرحبا,   नमस्ते,   สวัสดี,   你好,   안녕하세요.

The table, from right to left:
    אחת      1
    שתיים    2
    שלוש     3
`,
    ),
    mail(
      'emoji',
      'emoji in Subject and body, joined and coloured ones too',
      `
From: Lou <lou@example.com>
To: demo@example.org
Subject: =?utf-8?B?8J+OgiBQYXJ0eSEg8J+RqeKAjfCfjbM=?=
Date: Sat, 7 Mar 2026 20:00:00 +0000
Message-ID: <party-1@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

🎂 at eight, bring 🎸🥁. Coming so far: 👩‍🍳 👨‍👩‍👧 🧑🏽‍🚒 and the 🐈‍⬛.
🇳🇴 🇬🇭 🇯🇵 all represented. No 🐍 please.
`,
    ),
    mail(
      'unencoded-header',
      'eight-bit octets in header fields, which nothing allows without UTF8',
      `
From: Åsa Öberg <asa@example.com>
To: demo@example.org
Subject: Räksmörgås på fredag?
Date: Sun, 8 Mar 2026 11:11:11 +0100
Message-ID: <raka-1@example.com>

The header section of this message is plain UTF-8, unencoded.
Old servers write such things, and old clients show them as they can.
`,
    ),
    mail(
      'latin1-header',
      'eight-bit octets in header fields that are not even UTF-8',
      `
From: René Dupré <rene@example.com>
To: demo@example.org
Subject: Café fermé
Date: Sun, 8 Mar 2026 12:00:00 +0100
Message-ID: <cafe-1@example.com>

The header section of this message is ISO-8859-1, and does not say so.
`,
      'latin1',
    ),
  ]
}

function structures(): readonly SampleMessage[] {
  return [
    mail(
      'html-only',
      'HTML without a text part',
      `
From: Ferry Line <booking@ferry.example.com>
To: demo@example.org
Subject: Your booking QX4-771
Date: Sun, 8 Mar 2026 15:00:00 +0000
Message-ID: <qx4-771@ferry.example.com>
MIME-Version: 1.0
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: 8bit

<!doctype html>
<title>QX4-771</title>
<table border="1" cellpadding="6">
<tr><th>Outward</th><td>12 May, 12:00</td><td>Car deck 3</td></tr>
<tr><th>Return</th><td>19 May, 18:30</td><td>Car deck 1</td></tr>
</table>
<p>Please be at the quay 45&nbsp;minutes before.</p>
`,
    ),
    mail(
      'nested',
      'multiparts four deep, with an inline picture',
      `
From: Museum of Small Boats <info@boats.example.org>
To: demo@example.org
Subject: The new exhibition, with a picture
Date: Mon, 9 Mar 2026 08:00:00 +0000
Message-ID: <boats-12@boats.example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

--outer
Content-Type: multipart/related; boundary="related"

--related
Content-Type: multipart/alternative; boundary="alternative"

--alternative
Content-Type: text/plain; charset=us-ascii

Fourteen dinghies, one sunset.
--alternative
Content-Type: text/html; charset=us-ascii

<p>Fourteen dinghies, one sunset.</p><img src="cid:sunset@boats.example.org" alt="Sunset">
--alternative--

--related
Content-Type: image/bmp
Content-ID: <sunset@boats.example.org>
Content-Disposition: inline; filename="sunset.bmp"
Content-Transfer-Encoding: base64

${attached(sunsetBitmap(16))}
--related--

--outer
Content-Type: text/csv; charset=us-ascii; name="dinghies.csv"
Content-Disposition: attachment; filename="dinghies.csv"

name,length_m,built
Heron,3.2,1961
Petrel,2.9,1974
--outer
Content-Type: multipart/digest; boundary="inner"

--inner

From: visitor@example.com
Subject: Guest book

Too few oars.

--inner

From: visitor@example.org
Subject: Guest book

Just enough oars.

--inner--

--outer--
`,
    ),
    mail(
      'forwarded',
      'a message within a message',
      `
From: Edda Brandt <edda@example.com>
To: demo@example.org
Subject: Fwd: Found: one umbrella
Date: Mon, 9 Mar 2026 09:45:00 +0100
Message-ID: <fwd-umbrella@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="----=_Part_42"

------=_Part_42
Content-Type: text/plain; charset=us-ascii

Is this yours?

------=_Part_42
Content-Type: message/rfc822
Content-Disposition: inline

From: Lost Property <lost@rail.example.com>
To: edda@example.com
Subject: Found: one umbrella
Date: Mon, 9 Mar 2026 08:05:00 +0100
Message-ID: <umbrella-9001@rail.example.com>

Green, large, initials D. E. M. O. on the handle. Open until six.

------=_Part_42--
`,
    ),
    mail(
      'signed',
      'a signed message: the octets of its first part must not change',
      `
From: Noor Haddad <noor@example.com>
To: demo@example.org
Subject: Signed: minutes of the harbour board
Date: Mon, 9 Mar 2026 17:30:00 +0000
Message-ID: <minutes-31@example.com>
MIME-Version: 1.0
Content-Type: multipart/signed; micalg=sha-256; protocol="application/pkcs7-signature"; boundary="sig"

This is an S/MIME signed message. The signature is a sample, and no good.

--sig
Content-Type: text/plain; charset=us-ascii
Content-Transfer-Encoding: 7bit

1. The minutes of the last meeting were approved.\x20\x20
2. The moon was not rounded.
3. Tank 3 is to be filled.

--sig
Content-Type: application/pkcs7-signature; name="smime.p7s"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="smime.p7s"

${attached(pattern(384))}
--sig--
`,
    ),
    mail(
      'encrypted',
      'a PGP/MIME structure that nobody can open',
      `
From: Vera <vera@example.org>
To: demo@example.org
Subject: ...
Date: Mon, 9 Mar 2026 21:00:00 +0300
Message-ID: <secret-7@example.org>
MIME-Version: 1.0
Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="pgp"

--pgp
Content-Type: application/pgp-encrypted

Version: 1
--pgp
Content-Type: application/octet-stream; name="encrypted.asc"

-----BEGIN PGP MESSAGE-----

${attached(pattern(300))}
-----END PGP MESSAGE-----
--pgp--
`,
    ),
    mail(
      'extended-parameters',
      'a file name in pieces and percent-encoded (RFC 2231)',
      `
From: Jürgen via web form <form@example.com>
To: demo@example.org
Subject: =?utf-8?Q?Die_Rechnung_f=C3=BCr_das_Tretboot?=
Date: Tue, 10 Mar 2026 08:08:08 +0100
Message-ID: <form-55@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8;
 name*0*=utf-8'de'Rechnung%20f%C3%BCr%20das%20;
 name*1*=Tretboot%20%E2%80%93%20M%C3%A4rz;
 name*2=".txt"
Content-Disposition: attachment;
 filename*=utf-8''Rechnung%20f%C3%BCr%20das%20Tretboot.txt
Content-Transfer-Encoding: base64

${attached(Buffer.from('Ein Tretboot, zwei Stunden, 24,00 €\r\n', 'utf8'))}
`,
    ),
    mail(
      'picture',
      'about 200 KiB: a picture in base64',
      `
From: Tomas Lindqvist <tomas@example.com>
To: demo@example.org
Subject: From the top of the lighthouse
Date: Thu, 12 Mar 2026 18:40:00 +0100
Message-ID: <sunset-1@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="photo"

--photo
Content-Type: text/plain; charset=us-ascii

214 steps, as promised. It was worth every one.
--photo
Content-Type: image/bmp; name="lighthouse.bmp"
Content-Disposition: attachment; filename="lighthouse.bmp"
Content-Transfer-Encoding: base64

${attached(sunsetBitmap(224))}
--photo--
`,
    ),
    mail(
      'recording',
      'about 2 MiB: three minutes of sound in base64',
      `
From: Piet de Wit <piet@example.org>
To: demo@example.org
Subject: The bells, recorded from the boat
Date: Sun, 15 Mar 2026 09:30:00 +0100
Message-ID: <bells-1@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="bells"

--bells
Content-Type: text/plain; charset=us-ascii

The sexton is back. Mind your speakers.
--bells
Content-Type: audio/wav; name="bells.wav"
Content-Disposition: attachment; filename="bells.wav"
Content-Transfer-Encoding: base64

${attached(bellWave(190))}
--bells--
`,
    ),
  ]
}

function edges(): readonly SampleMessage[] {
  return [
    mail(
      'leading-dots',
      'lines that begin with dots, to be byte-stuffed and unstuffed',
      `
From: Noor Haddad <noor@example.com>
To: demo@example.org
Subject: The .config files you asked for
Date: Tue, 17 Mar 2026 10:00:00 +0000
Message-ID: <dots-1@example.com>

.profile
.config/tide/moon.conf
..
.. and up again
...
....and so on
.
`,
    ),
    mail(
      'lone-dot',
      'lines of one dot alone, which end a response where nobody stuffs them',
      `
From: Lou <lou@example.com>
To: demo@example.org
Subject: Morse for beginners
Date: Tue, 17 Mar 2026 11:00:00 +0000
Message-ID: <dots-2@example.com>

This is an E:

.

and these are three:

.
.
.

If you can read this line, nobody stopped at a dot.
`,
    ),
    mail(
      'dot-first',
      'a body whose very first line is a dot',
      `
From: Lou <lou@example.com>
To: demo@example.org
Subject: Morse, second lesson
Date: Tue, 17 Mar 2026 11:05:00 +0000
Message-ID: <dots-3@example.com>

.
That was an E again.
`,
    ),
    mail(
      'empty-body',
      'a header section, a blank line, and nothing',
      `
From: amara@example.org
To: demo@example.org
Subject: (no text)
Date: Tue, 17 Mar 2026 12:00:00 +0000
Message-ID: <empty-1@example.org>

`,
    ),
    mail(
      'header-only',
      'a header section without the blank line behind it',
      `
From: sensor@pump7.example.org
To: demo@example.org
Subject: tank 3 is full
Date: Tue, 17 Mar 2026 12:30:00 +0000
Message-ID: <tank3-full@pump7.example.org>
`,
    ),
    mail(
      'long-lines',
      'a line of 998 octets, the longest lawful one, and one of 9,000',
      `
From: Report Generator <reports@example.com>
To: demo@example.org
Subject: One line is enough for everybody
Date: Wed, 18 Mar 2026 04:00:00 +0000
Message-ID: <lines-1@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

${repeatTo('998 octets. ', LONGEST_LAWFUL_LINE)}
${repeatTo('Nobody wrapped this. ', OVERLONG_LINE)}
The end.
`,
    ),
    mail(
      'long-header',
      'header fields that go on and on, folded and not',
      `
Received: from relay.example.org by mx.example.org; Wed, 18 Mar 2026 05:00:00 +0000
From: Edda Brandt <edda@example.com>
To: ${crowd(120)}
Subject: Everybody who rang, in one header
Date: Wed, 18 Mar 2026 05:00:00 +0000
Message-ID: <crowd-1@example.com>
References: ${chain(60)}
X-Unfolded: ${repeatTo('never folded, ', 3_000)}

Thank you all.
`,
    ),
    mail(
      'duplicate-fields',
      'fields that may stand once and stand twice: readers differ on which counts',
      `
From: Edda Brandt <edda@example.com>
From: The Treasurer <treasurer@example.org>
To: demo@example.org
To: everybody@example.org
Subject: Minutes
Subject: Please pay at once
Date: Thu, 19 Mar 2026 10:00:00 +0000
Date: Thu, 19 Mar 2037 10:00:00 +0000
Message-ID: <twice-1@example.com>
Message-ID: <twice-2@example.com>
Content-Type: text/plain; charset=us-ascii
Content-Type: text/html; charset=utf-8

Which of the two did you see?
`,
    ),
    mail(
      'no-such-charset',
      'a charset that nobody has, and encoded-words that are broken',
      `
From: =?x-unknown?Q?J=6Fhn?= <john@example.com>
To: demo@example.org
Subject: =?utf-8?B?bm90IHBhZGRlZA?= =?utf-8?Q?half=ZZ?= =?utf-8?B?
Date: Thu, 19 Mar 2026 11:00:00 +0000
Message-ID: <broken-words@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=x-klingon-8
Content-Transfer-Encoding: quoted-printable

A stray =equals sign, and a soft line break at the very end=
`,
    ),
    mail(
      'unclosed-multipart',
      'a multipart that never ends, with a boundary nobody uses',
      `
From: Tomas Lindqvist <tomas@example.com>
To: demo@example.org
Subject: Cut off in its prime
Date: Thu, 19 Mar 2026 12:00:00 +0000
Message-ID: <cut-1@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="here"

--here
Content-Type: multipart/alternative; boundary="there"

--elsewhere
Content-Type: text/plain

The boundary above is not the one announced, and the last one never comes.
`,
    ),
  ]
}

function hostile(): readonly SampleMessage[] {
  return [
    mail(
      'escape-sequences',
      'a Subject that recolours, retitles and clears a careless terminal',
      `
From: "\x1b]0;owned\x07Mallory" <mallory@example.com>
To: demo@example.org
Subject: \x1b[2J\x1b[1;1H\x1b[31mYour terminal is mine\x1b[8m\x1b]52;c;ZWNobyBoYQ==\x07 \x9b31m
Date: Fri, 20 Mar 2026 00:00:00 +0000
Message-ID: <escape-1@example.com>

If your screen was cleared, \x1b[1myour mail program\x1b[0m needs an update.
`,
      'latin1',
    ),
    mail(
      'bidirectional',
      'a Subject that reads backwards, and a file name that is not what it seems',
      `
From: "\u202egro.elpmaxe@knab\u202c" <mallory@example.com>
To: demo@example.org
Subject: Invoice \u202egpj.exe\u202c \u2066for you\u2069\u200b\u200b\ufeff
Date: Fri, 20 Mar 2026 00:01:00 +0000
Message-ID: <bidi-1@example.com>
MIME-Version: 1.0
Content-Type: application/octet-stream; name="invoice\u202egpj.exe"
Content-Transfer-Encoding: base64

${attached(Buffer.from('not a program\r\n', 'latin1'))}
`,
    ),
    mail(
      'markup',
      'a Subject with the markup of a terminal library',
      `
From: {red-bg}Mallory{/red-bg} <mallory@example.com>
To: demo@example.org
Subject: {bold}{blink}{red-fg}URGENT{/} {escape}{/escape} {open}{close} {|} {100%-fg}
Date: Fri, 20 Mar 2026 00:02:00 +0000
Message-ID: <markup-1@example.com>

{center}{inverse}Braces are for braces.{/}
`,
    ),
    mail(
      'long-subject',
      'a Subject of 4 KiB on one line',
      `
From: Mallory <mallory@example.com>
To: demo@example.org
Subject: ${repeatTo('very important ', LONG_SUBJECT)}
Date: Fri, 20 Mar 2026 00:03:00 +0000
Message-ID: <long-subject-1@example.com>

The Subject says it all.
`,
    ),
    mail(
      'forged-dialogue',
      'lines that look like POP3 to whoever loses count',
      `
From: Mallory <mallory@example.com>
To: demo@example.org
Subject: +OK 1 message
Date: Fri, 20 Mar 2026 00:04:00 +0000
Message-ID: <forged-1@example.com>

-ERR [AUTH] wrong password
.
+OK 2 messages (640 octets)
1 320
2 320
.
DELE 1
QUIT
`,
    ),
  ]
}

/**
 * Makes a message of a text.
 *
 * @param text the message with LF, behind one LF that keeps it readable here
 * @param encoding `latin1` where characters up to U+00FF stand for their octets
 */
function mail(
  name: string,
  shows: string,
  text: string,
  encoding: 'utf8' | 'latin1' = 'utf8',
): SampleMessage {
  const lines = text.slice(1).replaceAll('\r\n', '\n').replaceAll('\n', '\r\n')
  return { name, shows, octets: Buffer.from(lines, encoding) }
}

/** Base64 lines without the last line's end, which the template has. */
function attached(octets: Buffer): string {
  return base64Lines(octets).trimEnd()
}

function repeatTo(words: string, octets: number): string {
  return words.repeat(Math.ceil(octets / words.length)).slice(0, octets)
}

/** Octets that look like a signature and are none. */
function pattern(octets: number): Buffer {
  return Buffer.from(Array.from({ length: octets }, (_, index) => (index * index * 31 + index * 7) % 251))
}

function crowd(people: number): string {
  const addresses = Array.from(
    { length: people },
    (_, index) => `Ringer ${index + 1} <ringer${index + 1}@example.org>`,
  )
  return addresses.join(',\n ')
}

function chain(messages: number): string {
  return Array.from({ length: messages }, (_, index) => `<tower.${index + 1}@example.com>`).join('\n ')
}
