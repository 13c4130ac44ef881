"""Sentences with personal data; nobody in them exists. Written for this project."""

SENTENCES = [
    "Hi, this is Maria Delgado; you can reach me at maria.delgado84@example.com or on (415) 555-0137.",
    "Please ship the replacement to 2291 Willow Creek Road, Apartment 5B, Boise, Idaho 83702.",
    "My social security number is 529-84-1196 and I was born in Duluth.",
    "The customer, Tobias Lindqvist, wants his money back on account 000123456789, routing number 021000021.",
    "Passport no. X4829175 was issued to Chidi Okonkwo last March.",
    "I lost my driver's license, it is D8834-22910-55, state of Illinois.",
    "Meeting moved to Thursday; no action needed from anyone.",
    "Call Dr. Annelise Brandt on +49 30 901820 before noon.",
    "See https://portal.example.org/patients/8831 for the file of Mr. O'Shaughnessy.",
    "Her name is Nguyen Thi Mai and she lives at 14 Hang Bac Street in Hanoi.",
    "EIN 84-3920175 belongs to the bakery on Main Street, not to Priya.",
    "From: jean-luc.moreau@example.fr\nTo: support@example.com\nMy parcel for 7 rue des Lilas, 69003 Lyon never came.",
    "Could you update my phone to 0161 496 0735? Thanks, Siobhan",
    "The quarterly figures look good: revenue up 12 %, costs flat at 3.4 million.",
    "National ID 870412-5823 was on the form that Kim Min-jun handed in.",
    "Take the second exit, turn left at the church, and you are there.",
    "Invoice 20931 for Okafor & Daughters, 88 Harbour Street, Unit 12, Portland, OR 97209.",
    "my tax number is 912-70-3341 pls dont share it with anybody esp. not with greg",
    "Wire it to IBAN DE89 3704 0044 0532 0130 00, holder Friedrich Baumann.",
    "Tell Aoife that her flight lands at 18:40, gate B22.",
    "Contact: Jamal Washington | j.washington@example.net | 312-555-0188 | Chicago IL 60614",
    "Das Paket ging an Frau Petra Hölzl, Lindenstraße 9, 80469 München.",
    "I'm Zoë, I'm 34 and I work at the harbour in Gdańsk; mail me: zoe@example.pl.",
    "Nothing to see here.",
    "Patient Rosa Iglesias-Fontaine (file 77120) was transferred from St. Agnes, 400 Elm Avenue, Springfield, "
    "Massachusetts 01103, to our ward on the 3rd; her brother Mateo, 413-555-0102, is to be called first, then "
    "her neighbour Mrs. Abernathy at 402 Elm Avenue, who keeps the keys and feeds the cat while she is away.",
]
"""How many of them go together into one input, padded to the longest, beside each alone."""
BATCHES = [(0, 4), (12, 20)]
