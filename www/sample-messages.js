// Sample messages: one mixed inbox, invented for this page. Some are easy, some odd and some misleading, such as sarcastic
// praise and honest mail that reads like fraud, so that the model has reasons to be unsure.

/**
 * Each with its labels by the author; `sentiment` only where it is plain.
 *
 * @type {{ kind: string, text: string, spam: string, sentiment?: string }[]}
 */
export const samples = [
  {
    kind: 'Support',
    text: 'My order arrived with the wrong plug. Could you send me the UK version, please?',
    spam: 'ham',
    sentiment: 'negative',
  },
  {
    kind: 'E-mail',
    text: 'Congratulations! You have been selected to receive a £1,000 gift card. Click here within 24 hours to claim your prize.',
    spam: 'spam',
  },
  {
    kind: 'Support',
    text: 'It’s Jane Doe, 12 High Street, Springfield, IL 62704. My card 4111 1111 1111 1111 was charged twice. Well done. Call (555) 010-4477 or write to jane.doe@example.org.',
    spam: 'ham',
    sentiment: 'negative',
  },
  {
    kind: 'Review',
    text: 'Best kettle I have ever owned. Quiet, quick, and it looks lovely on the shelf.',
    spam: 'ham',
    sentiment: 'positive',
  },
  {
    kind: 'E-mail',
    text: 'Minutes of Tuesday’s meeting are attached. Please send me corrections before the weekend.',
    spam: 'ham',
  },
  {
    kind: 'Support',
    text: 'This is the third time that I am writing. Nobody answers, and I am still waiting for my money.',
    spam: 'ham',
    sentiment: 'negative',
  },
  {
    kind: 'E-mail',
    text: 'URGENT: your account has been suspended. Verify your password now or lose access for ever!!!',
    spam: 'spam',
  },
  { kind: 'Review', text: 'Well, it certainly is a chair.', spam: 'ham', sentiment: 'negative' },
  { kind: 'E-mail', text: 'Hi, are we still on for lunch tomorrow? I can book the place by the canal.', spam: 'ham' },
  {
    kind: 'E-mail',
    text: 'Cheap meds with no prescription. Blue pills from $0.99, discreet shipping worldwide.',
    spam: 'spam',
  },
  {
    kind: 'Review',
    text: 'The waiter was rude, the soup was cold, and we waited an hour for the bill.',
    spam: 'ham',
    sentiment: 'negative',
  },
  {
    kind: 'Support',
    text: 'The new version fixed it. Thank you for the fast help, you made my day.',
    spam: 'ham',
    sentiment: 'positive',
  },
  {
    kind: 'E-mail',
    text: 'We noticed a sign-in from a new device. If this was you, there is nothing that you need to do.',
    spam: 'ham',
  },
  {
    kind: 'Review',
    text: 'Oh great, another update that deletes my settings. Exactly what I had been hoping for.',
    spam: 'ham',
    sentiment: 'negative',
  },
  {
    kind: 'E-mail',
    text: 'Dear friend, I am the widow of a late oil minister and wish to transfer $18.5 million to your account.',
    spam: 'spam',
  },
  { kind: 'Support', text: 'How do I change the language of the app? I cannot find it in the settings.', spam: 'ham' },
  {
    kind: 'Review',
    text: 'A slow start, but by the last page I did not want it to end.',
    spam: 'ham',
    sentiment: 'positive',
  },
  {
    kind: 'E-mail',
    text: 'Work from home and earn $5,000 a week! No experience needed, places are limited, sign up today.',
    spam: 'spam',
  },
  {
    kind: 'E-mail',
    text: 'Your invoice 20418 is ready. The amount of €42.50 will be taken from your account on the first.',
    spam: 'ham',
  },
  {
    kind: 'Support',
    text: 'The app crashes every time I open the camera. I have reinstalled it twice.',
    spam: 'ham',
    sentiment: 'negative',
  },
  { kind: 'Review', text: 'Not bad at all for the price.', spam: 'ham', sentiment: 'positive' },
  {
    kind: 'E-mail',
    text: 'Lose 15 kilos in two weeks with this one simple trick. Doctors hate it. Order your free trial now!',
    spam: 'spam',
  },
  {
    kind: 'E-mail',
    text: 'The build on the main branch is red since this morning. I think it was my change, looking at it now.',
    spam: 'ham',
  },
  {
    kind: 'Review',
    text: 'The battery lasts two days, the screen is superb, and the camera is a disappointment.',
    spam: 'ham',
  },
  {
    kind: 'Support',
    text: 'Please cancel my subscription. I was charged again although I cancelled in March.',
    spam: 'ham',
    sentiment: 'negative',
  },
  {
    kind: 'E-mail',
    text: 'Hello dear, I saw your profile and I think that we could be very good friends. Write to me at my private address.',
    spam: 'spam',
  },
  {
    kind: 'Review',
    text: 'Wonderful staff. They found us a cot at midnight and even warmed the milk.',
    spam: 'ham',
    sentiment: 'positive',
  },
  { kind: 'E-mail', text: 'Reminder: your library books are due on Friday. You can renew them online.', spam: 'ham' },
  {
    kind: 'E-mail',
    text: 'Investors are doubling their bitcoin in 7 days, guaranteed. Reply YES to reserve your place.',
    spam: 'spam',
  },
  { kind: 'Support', text: 'I would like to exchange the boots for a size 39. They have not been worn.', spam: 'ham' },
  { kind: 'Review', text: 'I wanted to like this film. I really did.', spam: 'ham', sentiment: 'negative' },
  {
    kind: 'E-mail',
    text: 'Half price on all garden furniture until Sunday. You get this letter because you asked for it; unsubscribe at any time.',
    spam: 'ham',
  },
  {
    kind: 'Support',
    text: 'Your colleague on the phone was patient and kind. Please pass on my thanks.',
    spam: 'ham',
    sentiment: 'positive',
  },
  {
    kind: 'E-mail',
    text: 'Your parcel could not be delivered. Pay the fee of £1.99 through the link below to arrange a new date.',
    spam: 'spam',
  },
  { kind: 'Review', text: 'Fell apart in the first wash. A waste of money.', spam: 'ham', sentiment: 'negative' },
  {
    kind: 'E-mail',
    text: 'Mum, I dropped my phone and this is my new number. Can you send me £600 today? I will explain later.',
    spam: 'spam',
  },
  { kind: 'E-mail', text: 'The patch looks good to me. Two small remarks in line, then please merge it.', spam: 'ham' },
  {
    kind: 'Review',
    text: 'Delicious bread, friendly people. The queue on Saturdays tells you all you need to know.',
    spam: 'ham',
    sentiment: 'positive',
  },
  { kind: 'Support', text: 'ok', spam: 'ham' },
  {
    kind: 'E-mail',
    text: 'Lowest mortgage rates in twenty years! Bad credit? No problem. Get your free quote in minutes.',
    spam: 'spam',
  },
  { kind: 'Review', text: 'It does what it says on the box, no more and no less.', spam: 'ham' },
];
