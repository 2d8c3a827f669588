import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { PICTURE, takePicture } from './take.js'

const MAIN = process.env.POSTERN_MAIN ?? join(import.meta.dirname, '../../dist/main.js')

it('shows in the README what the program shows; `npm run picture` takes it anew', async () => {
  const { svg } = await takePicture(MAIN)
  expect(svg).toBe(readFileSync(PICTURE, 'utf8'))
})
