/** Reads the text of an event stream piece by piece. Pure: bytes and time are the caller's. */
export type Message = { id: string | null; event: string; data: string }

export class StreamReader {
  #rest = ''

  /** The messages that are whole with `piece`; the beginning of another one is kept. Comments are left out. */
  read(piece: string): Message[] {
    const blocks = (this.#rest + piece).split('\n\n')
    this.#rest = blocks.pop() ?? ''
    return blocks.map(parse).filter((message) => message.data !== '' || message.id !== null)
  }
}

function parse(block: string): Message {
  const message: Message = { id: null, event: 'message', data: '' }
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':')
    if (colon <= 0) continue
    const field = line.slice(0, colon)
    const value = line.slice(colon + 1).replace(/^ /, '')
    if (field === 'id') message.id = value
    else if (field === 'event') message.event = value
    else if (field === 'data') message.data += (message.data && '\n') + value
  }
  return message
}
