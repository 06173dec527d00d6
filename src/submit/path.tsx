import { Fragment } from 'react';

/** Text with paths in it, which may break behind a slash and nowhere else: not at a hyphen, not before the first name. */
export const Path = ({ text }: { text: string }): JSX.Element => (
  <>
    {text.split(/(\s+)/).map((word, at) => (
      <Fragment key={at}>{word.includes('/') ? parts(word) : word}</Fragment>
    ))}
  </>
);

function parts(path: string): JSX.Element[] {
  const names = path.match(/^\/*[^/]*\/*|[^/]+\/*/g) ?? [path];
  return names.map((name, at) => (
    <Fragment key={at}>
      {at > 0 && <wbr />}
      <span className="mlk-Path">{name}</span>
    </Fragment>
  ));
}
