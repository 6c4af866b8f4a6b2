namespace TincPure.Primitives

/// The name of a node: 1 to 2048 ASCII letters, digits and underscores, compared byte by byte (spec 02 §1).
[<Struct; CustomEquality; CustomComparison>]
type NodeName =
    private
    | NodeName of text: string

    member this.Text =
        let (NodeName text) = this
        text

    override this.ToString() = this.Text
    override this.GetHashCode() = this.Text.GetHashCode()

    override this.Equals(other) =
        match other with
        | :? NodeName as name -> System.String.Equals(this.Text, name.Text)
        | _ -> false

    interface System.IEquatable<NodeName> with
        member this.Equals(other) = System.String.Equals(this.Text, other.Text)

    interface System.IComparable<NodeName> with
        member this.CompareTo(other) = System.String.CompareOrdinal(this.Text, other.Text)

    interface System.IComparable with
        member this.CompareTo(other) =
            match other with
            | :? NodeName as name -> System.String.CompareOrdinal(this.Text, name.Text)
            | _ -> 1

module NodeName =

    /// Longest name that a request line can carry (spec 02 §1).
    let maxLength = 2048

    let private isNameChar (c: char) = System.Char.IsAsciiLetterOrDigit c || c = '_'

    /// A name, if the text is one.
    let tryParse (text: string) : NodeName voption =
        let rec allValid i = i = text.Length || (isNameChar text[i] && allValid (i + 1))

        if text.Length >= 1 && text.Length <= maxLength && allValid 0 then
            ValueSome(NodeName text)
        else
            ValueNone
