const HEADINGS = [
  'What it does',
  'Smallest config',
  'Options',
  'What you will see',
  'When not to use it',
]

/** What a plugin's README lacks. */
export function findGaps(name: string, readme: string): string[] {
  const titles = [...readme.matchAll(/^(#+) (.*)$/gm)].map(([line]) => line)
  const wanted = [`# ${name}`, ...HEADINGS.map((heading) => `## ${heading}`)]
  const missing = wanted.filter((title) => !titles.includes(title)).map((title) => `no ${title}`)
  const empty = HEADINGS.filter((heading) => sectionOf(readme, heading)?.trim() === '')
  const order = titles.filter((title) => wanted.includes(title))
  return [
    ...missing,
    ...empty.map((heading) => `nothing under ## ${heading}`),
    ...(missing.length === 0 && order.join() !== wanted.join()
      ? ['its parts are in disorder']
      : []),
    ...(smallestConfig(readme) === undefined ? ['no yaml under ## Smallest config'] : []),
  ]
}

/** The steps under "Smallest config". */
export function smallestConfig(readme: string): string | undefined {
  return /```yaml\n(?<steps>- .*?)```/s.exec(sectionOf(readme, 'Smallest config') ?? '')?.groups?.[
    'steps'
  ]
}

function sectionOf(readme: string, heading: string): string | undefined {
  const [, after] = readme.split(`\n## ${heading}\n`)
  return after?.split(/^## /m)[0]
}
