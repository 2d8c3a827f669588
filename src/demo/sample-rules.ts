/**
 * The two rules of the demo, as a person would write them in a file: one at work, one that only shows what it would do.
 */

/** The text of a rule file, and the name that it goes by in messages. */
export interface SampleRules {
  readonly file: string
  readonly text: string
}

/** Rules for the sample mail, whose own domain is example.org. */
export const SAMPLE_RULES: SampleRules = {
  file: 'demo/rules.yaml',
  text: `rules:
  - name: tag external senders
    when: '!("from" in raw_header) || !raw_header["from"].matches(r"(?i)@(?:[a-z0-9-]+\\.)*example\\.org>?\\s*$")'
    then:
      - tag-subject: "[external]"
      - set-header: {name: X-Postern-External, value: "yes"}
  - name: newsletters
    when: '"list-unsubscribe" in header'
    then: [hide]
    mode: shadow
`,
}
