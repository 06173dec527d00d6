import { ReactWidget } from '@jupyterlab/ui-components';

/** A widget that draws what a function gives, again with each `update()`. */
export class Rendered extends ReactWidget {
  constructor(private readonly _draw: () => JSX.Element) {
    super();
  }

  protected override render(): JSX.Element {
    return this._draw();
  }
}
