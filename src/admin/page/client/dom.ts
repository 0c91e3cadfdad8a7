/// <reference lib="dom" />

/** A child of an element. Text stays text: nothing is ever read as markup. */
export type Child = Node | string | undefined | false;

/** Attributes by name; `undefined` and `false` leave one out, `true` sets it without a value. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Makes an HTML element. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  append(element, children);
  return element;
}

/** Makes an SVG element. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(element, attributes);
  append(element, children);
  return element;
}

/** Sets and removes attributes. */
export function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value === true ? "" : value)) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
}

/** Sets the text of a node if it is another one, so that nothing is laid out again for nothing. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** The element with this id, which the page has. */
export function byId<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** One item of a list on the page. */
export interface Item<T> {
  readonly element: HTMLElement;
  update(value: T): void;
}

/** The children of an element, one for each value, which stay in place while their key stays. */
export class KeyedList<T> {
  readonly #parent: Element;
  readonly #create: (value: T) => Item<T>;
  #items = new Map<string, Item<T>>();

  constructor(parent: Element, create: (value: T) => Item<T>) {
    this.#parent = parent;
    this.#create = create;
  }

  /** Shows these values, in this order. */
  update(values: readonly T[], keyOf: (value: T) => string): void {
    const items = new Map<string, Item<T>>();
    let next = this.#parent.firstElementChild;
    for (const value of values) {
      const key = keyOf(value);
      const item = this.#items.get(key) ?? this.#create(value);
      this.#items.delete(key);
      items.set(key, item);
      item.update(value);
      if (item.element === next) next = next.nextElementSibling;
      else this.#parent.insertBefore(item.element, next);
    }
    for (const { element } of this.#items.values()) element.remove();
    this.#items = items;
  }
}

function append(element: Element, children: readonly Child[]): void {
  for (const child of children) if (child !== undefined && child !== false) element.append(child);
}
