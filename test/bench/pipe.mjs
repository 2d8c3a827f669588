/**
 * The yardstick of the bench: a POP3(S) to POP3S pipe as a competent programmer writes it in plain Node, no
 * more and no less. It verifies the server, resumes TLS sessions, has backpressure (`pipe`), handles errors,
 * and knows nothing of POP3.
 *
 *   node pipe.mjs '{"plainPort":1,"tlsPort":2,"serverPort":3,"serverName":"localhost","caFile":"…","certFile":"…","keyFile":"…","resume":true}'
 */
import { readFileSync } from 'node:fs'
import net from 'node:net'
import tls from 'node:tls'

const settings = JSON.parse(process.argv[2])
const secureContext = tls.createSecureContext({ ca: readFileSync(settings.caFile) })
let session

function relay(client) {
  const server = tls.connect({
    host: '127.0.0.1',
    port: settings.serverPort,
    servername: settings.serverName,
    secureContext,
    session,
  })
  server.setNoDelay(true)
  if (settings.resume) {
    server.on('session', (ticket) => {
      session = ticket
    })
  }
  server.once('secureConnect', () => {
    client.pipe(server)
    server.pipe(client)
  })
  server.on('error', () => client.destroy())
  client.on('error', () => server.destroy())
  // What was already taken from one side still goes out on the other.
  server.on('close', () => client.destroySoon())
  client.on('close', () => server.destroySoon())
}

const certificate = { cert: readFileSync(settings.certFile), key: readFileSync(settings.keyFile) }
net.createServer({ noDelay: true }, relay).listen(settings.plainPort, '127.0.0.1', 1024)
tls.createServer({ ...certificate, noDelay: true }, relay).listen(settings.tlsPort, '127.0.0.1', 1024)
