/** `npm run picture`: makes the picture of the README anew. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PICTURE, takePicture } from './take.js'

const { svg, text } = await takePicture(join(import.meta.dirname, '../../dist/main.js'))
writeFileSync(PICTURE, svg)
console.log(text)
