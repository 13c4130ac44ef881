"""Texts with known fields: invoices, bookings, contact requests and shipping notices, in varied wordings.

JSON Lines of {"kind", "schema", "text", "fields"} on stdout, as many as the argument says; the same each time.
"""
import json, random, sys

FIRST = "Anna Ben Chloe David Elif Farid Grace Hugo Ines Jonas Kavya Liam Mona Nils Olga Pavel Rosa Sven Tara Yusuf".split()
LAST = "Berg Costa Dubois Evans Fischer Garcia Hansen Ito Jansen Kowalski Lund Moreau Novak Okafor Petrov Rossi Silva Tanaka Weber Young".split()
FIRMS = "Acme Tools|Blue Harbor Ltd|Cedar Works|Delta Foods|Evergreen Supply|Foxglove Media|Granite Parts|Helios Energy".split("|")
CITIES = "Oslo Bonn Porto Lyon Leeds Turin Graz Malmo Ghent Krakow".split()
CARRIERS = ["DHL", "UPS", "FedEx", "GLS"]
HOTELS = "Hotel Aurora|The Grand|Hotel Post|Seaview Inn|Park House".split("|")
S = lambda **k: dict(type="string", **k)

def schema(**p):
    return {"type": "object", "properties": p, "required": list(p), "additionalProperties": False}

def person(r): return f"{r.choice(FIRST)} {r.choice(LAST)}"
def date(r): return f"{r.randint(2023, 2026)}-{r.randint(1, 12):02}-{r.randint(1, 28):02}"

def invoice(r):
    f = dict(invoice_number=f"{r.choice(['INV', 'R', 'B'])}-{r.randint(1000, 99999)}", seller=r.choice(FIRMS), due=date(r), total=r.randint(1000, 250000) / 100)
    t = r.choice(["Invoice {invoice_number} from {seller}. The total of {t} EUR is due on {due}.",
        "Hello customer, please pay {t} EUR by {due}. Our reference is {invoice_number}. Kind regards, {seller}",
        "{seller} has sent you invoice {invoice_number} over {t} EUR, payable until {due}.",
        "Amount due: {t} EUR\nDue date: {due}\nInvoice no.: {invoice_number}\nIssued by: {seller}"])
    return schema(invoice_number=S(), seller=S(description="the company that sent the invoice"), due=S(format="date"), total={"type": "number"}), f, t.format(t=f"{f['total']:.2f}", **f)

def booking(r):
    f = dict(guest=person(r), hotel=r.choice(HOTELS), arrival=date(r), nights=r.randint(1, 14), city=r.choice(CITIES))
    t = r.choice(["{guest} has booked {nights} nights at {hotel} in {city}, arriving on {arrival}.",
        "Your stay at {hotel}, {city}: check-in {arrival}, {nights} nights, booked for {guest}.",
        "Hello, this is {guest}. I would like to stay in {city} at {hotel} for {nights} nights from {arrival}.",
        "Reservation\nName: {guest}\nHotel: {hotel} ({city})\nArrival: {arrival}\nNights: {nights}"])
    return schema(guest=S(description="the name of the guest"), hotel=S(), arrival=S(format="date"), nights={"type": "integer"}, city=S()), f, t.format(**f)

def contact(r):
    n = person(r)
    f = dict(name=n, company=r.choice(FIRMS), email=f"{n.split()[0].lower()}.{n.split()[1].lower()}@example.{r.choice(['com', 'org'])}", topic=r.choice(["sales", "support", "billing"]))
    w = {"sales": "I would like a price for a new order.", "support": "The product does not work and I need help.", "billing": "There is a mistake on my last invoice."}
    t = r.choice(["Hi, I am {name} from {company}. {w} Please answer to {email}.", "{w} Regards, {name}, {company}, {email}",
        "Message from {email}: {w} My name is {name} and I work for {company}."])
    return schema(name=S(description="the name of the person"), company=S(), email=S(format="email"), topic={"enum": ["sales", "support", "billing"]}), f, t.format(w=w[f["topic"]], **f)

def shipping(r):
    f = dict(carrier=r.choice(CARRIERS), tracking=f"{r.choice('ABCXYZ')}{r.randint(10**8, 10**9 - 1)}", recipient=person(r), city=r.choice(CITIES), parcels=r.randint(1, 9))
    t = r.choice(["{parcels} parcels for {recipient} in {city} are on their way with {carrier}, tracking code {tracking}.",
        "{carrier} shipment {tracking} to {recipient}, {city}: {parcels} parcels.",
        "Hello {recipient}, we have sent {parcels} parcels to {city}. Follow them at {carrier} with the code {tracking}."])
    return schema(carrier=S(), tracking=S(description="the tracking code"), recipient=S(description="the name of the person"), city=S(), parcels={"type": "integer"}), f, t.format(**f)

r = random.Random(17)
for i in range(int(sys.argv[1])):
    kind = (invoice, booking, contact, shipping)[i % 4]
    s, f, t = kind(r)
    print(json.dumps(dict(kind=kind.__name__, schema=s, text=t, fields=f)))
