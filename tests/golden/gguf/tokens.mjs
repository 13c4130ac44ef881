// What llama.cpp, by node-llama-cpp, makes of lines that are put together from fragments: digests of the token ids. See README.md.
//
//     node tokens.mjs FOLDER...     each with files NAME.gguf

import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { getLlama } from 'node-llama-cpp'

const fragments = JSON.parse(readFileSync(new URL('fragments.json', import.meta.url), 'utf8'))
const GROUP = 100

/** Lines of 1 to 12 fragments, by a linear congruential generator. */
function lines(count) {
  let state = 17
  const next = (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) % below
  }
  const line = () => Array.from({ length: 1 + next(12) }, () => fragments[next(fragments.length)]).join('')
  return Array.from({ length: count }, line)
}

/** FNV-1a with 64 bits. */
function fnv1a(text) {
  let digest = 0xcbf29ce484222325n
  for (const byte of Buffer.from(text)) digest = BigInt.asUintN(64, (digest ^ BigInt(byte)) * 0x100000001b3n)
  return digest.toString(16).padStart(16, '0')
}

const llama = await getLlama({ gpu: false, build: 'never' })
const digests = {}
for (const folder of process.argv.slice(2)) {
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.gguf')).sort()) {
    const model = await llama.loadModel({ modelPath: join(folder, file), vocabOnly: true })
    const count = model.tokens.allTokensCount ?? model.fileInfo.metadata.tokenizer.ggml.tokens.length
    const texts = lines(count < 2000 ? 1000 : 10000)
    const digested = (special) => {
      const ids = texts.map((text) => model.tokenize(text, special).join(' '))
      return Array.from({ length: ids.length / GROUP }, (_, at) => fnv1a(ids.slice(at * GROUP, (at + 1) * GROUP).join('\n')))
    }
    digests[file.replace('.gguf', '')] = { segment: digested(false), prompt: digested(true) }
    await model.dispose()
  }
}
writeFileSync(new URL('tokens.json', import.meta.url), `${JSON.stringify(digests, null, 1)}\n`)
process.exit(0)
