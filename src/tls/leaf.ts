/**
 * Leaves of the local authority: an RSA and an EC certificate for the same names, so that old clients and fast
 * ones are both served. Owns the process's two leaf keys; does not decide who gets a leaf.
 */
import { generateKeyPair, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { Authority } from './authority.js'

/** A key pair with its private half as the PEM text that a TLS context takes. */
export interface LeafKey {
  readonly publicKey: KeyObject
  readonly privatePem: string
}

/** One key of each kind. */
export interface LeafKeys {
  readonly rsa: LeafKey
  readonly ec: LeafKey
}

/** Certificates and keys in the order in which a TLS context takes them. */
export interface Leaf {
  readonly cert: string[]
  readonly key: string[]
}

let processKeys: Promise<LeafKeys> | null = null

/**
 * The two leaf keys of this process, made at the first call. An RSA key takes 70 to 150 ms, so this is awaited
 * when a listener starts and never within a handshake. A key per name would protect nothing more: all live in
 * the same memory.
 */
export function leafKeys(): Promise<LeafKeys> {
  processKeys ??= makeLeafKeys()
  return processKeys
}

/** Makes fresh leaf keys, for leaves that leave the process as files. */
export async function makeLeafKeys(): Promise<LeafKeys> {
  const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const rsa = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  return { rsa: leafKey(rsa), ec: leafKey(ec) }
}

/**
 * Mints an RSA and an EC certificate; takes about a millisecond.
 *
 * @param names as `certificateName` returns them; at least one
 */
export function mintLeaf(authority: Authority, names: readonly string[], keys: LeafKeys, now: Date): Leaf {
  const both = [keys.ec, keys.rsa]
  return {
    cert: both.map((key) => authority.issue(names, key.publicKey, now)),
    key: both.map((key) => key.privatePem),
  }
}

function leafKey(pair: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }): LeafKey {
  return {
    publicKey: pair.publicKey,
    privatePem: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}
