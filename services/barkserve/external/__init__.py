"""Generated code of other people's contracts: ORCA load reports, KEDA's external scaler."""
