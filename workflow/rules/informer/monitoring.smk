"""INFORMER: alarms on predictions that should not be trusted, and the study of what deserves the alarm."""

MONITORING = config["monitoring"]
FOLDS = range(MONITORING["folds"])
NODULES = "rendered" if SOURCE.generated else "cut"
IMAGES = f"<informer>/{NODULES}.h5"
MONITORED = [f"<informer>/fold{fold}/model.pt" for fold in FOLDS]


rule render_nodules:
    """Render real shapes and ratings of nodules on lung of the one real CT: semi-synthetic images."""
    input:
        ct_file=rules.fetch_real_ct.output.ct_file,
        labels_file=rules.fetch_real_ct.output.labels_file,
    output:
        nodules_file="<informer>/rendered.parquet",
        images_file="<informer>/rendered.h5",
    log:
        "<logs>/render_nodules.log",
    benchmark:
        "<benchmarks>/render_nodules.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("render_nodules"),
    params:
        arguments={
            **pick("monitoring", "planes", "size", "patients"),
            "seed": config["seed"],
        },
        code=code_hash("render_nodules"),
    script:
        "../../scripts/render_nodules.py"


rule cut_nodules:
    """Cut the cohort's nodules out of their scans, as images of one size."""
    input:
        series_file="<results>/ingest/series.parquet",
        lesions_file="<results>/annotate/lesions.parquet",
        slices_file="<results>/annotate/slices.h5",
    output:
        nodules_file="<informer>/cut.parquet",
        images_file="<informer>/cut.h5",
    log:
        "<logs>/cut_nodules.log",
    benchmark:
        "<benchmarks>/cut_nodules.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("cut_nodules"),
    params:
        arguments={
            "archives": ARCHIVES,
            **pick("monitoring", "planes", "size", "patients"),
            "seed": config["seed"],
        },
        code=code_hash("cut_nodules"),
    script:
        "../../scripts/cut_nodules.py"


rule label_nodules:
    """Make labels of the readers' ratings, and draw the folds of patients."""
    input:
        nodules_file=f"<informer>/{NODULES}.parquet",
    output:
        labels_file="<informer>/labels.parquet",
        counts_file=report(
            "<informer>/label_counts.csv",
            caption="../../report/informer/labels.rst",
            category="Monitoring",
            labels={"result": "Labels of attributes (CSV)"},
        ),
        flow_file=report(
            "<informer>/flow.csv",
            caption="../../report/informer/flow.rst",
            category="Monitoring",
            labels={"result": "Flow of the nodules (CSV)"},
        ),
        png=report(
            "<informer>/labels.png",
            caption="../../report/informer/labels.rst",
            category="Monitoring",
            labels={"result": "Labels of attributes"},
        ),
        pdf="<informer>/labels.pdf",
    log:
        "<logs>/label_nodules.log",
    benchmark:
        "<benchmarks>/label_nodules.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("label_nodules"),
    params:
        arguments={
            **pick("monitoring", "median", "folds"),
            "cohort": COHORT,
            "seed": config["seed"],
        },
        code=code_hash("label_nodules"),
    script:
        "../../scripts/label_nodules.py"


rule train_monitored:
    """Train a classifier of all attributes for each fold; a cut job goes on where it stopped."""
    input:
        labels_file=rules.label_nodules.output.labels_file,
        images_file=IMAGES,
    output:
        model_files=MONITORED,
        history_files=[f"<informer>/fold{fold}/history.csv" for fold in FOLDS],
    log:
        "<logs>/train_monitored.log",
    benchmark:
        "<benchmarks>/train_monitored.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("train_monitored"),
    params:
        arguments={
            "settings": {
                **pick(
                    "monitoring",
                    "network",
                    "width",
                    "epochs",
                    "batch_size",
                    "learning_rate",
                ),
                "dims": 2 if MONITORING["planes"] == 1 else 3,
                "max_pool": True,
            },
            **pick("samples", "window"),
            "seed": config["seed"],
            "device": config["device"],
        },
        code=code_hash("train_monitored", MONITORED_NETWORK),
    script:
        "../../scripts/train_monitored.py"


rule score_monitored:
    """Score validation and test nodules: logits, distinctiveness of class maps, and test-time augmentation."""
    input:
        labels_file=rules.label_nodules.output.labels_file,
        images_file=IMAGES,
        model_files=MONITORED,
    output:
        scores_file="<informer>/scores.parquet",
    log:
        "<logs>/score_monitored.log",
    benchmark:
        "<benchmarks>/score_monitored.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("score_monitored"),
    params:
        arguments={
            **pick("monitoring", "maps", "batch_size"),
            "passes": MONITORING["tta_passes"],
            "transforms": MONITORING["tta_transforms"],
            **pick("samples", "window"),
            "seed": config["seed"],
            "device": config["device"],
        },
        code=code_hash("score_monitored", MONITORED_NETWORK),
    script:
        "../../scripts/score_monitored.py"


rule compare_alarms:
    """Tune every alarm on validation nodules and compare them on test nodules, with the published numbers beside."""
    input:
        scores_file=rules.score_monitored.output.scores_file,
    output:
        decisions_file="<informer>/decisions.parquet",
        aucs_file="<informer>/aucs.csv",
        f1_file=report(
            "<informer>/f1.csv",
            caption="../../report/informer/study.rst",
            category="Monitoring",
            labels={"result": "F1, sensitivity, specificity (CSV)"},
        ),
        differences_file=report(
            "<informer>/differences.csv",
            caption="../../report/informer/study.rst",
            category="Monitoring",
            labels={"result": "Differences of alarms (CSV)"},
        ),
        resamples_file="<informer>/resamples.csv",
        errors_file=report(
            "<informer>/errors.csv",
            caption="../../report/informer/risk_coverage.rst",
            category="Monitoring",
            labels={"result": "Scores as detectors of errors (CSV)"},
        ),
        curves_file="<informer>/risk_coverage.csv",
        likelihood_file="<informer>/likelihood_ratios.csv",
        published_file="<informer>/published.csv",
        md="<informer>/study.md",
        html=report(
            "<informer>/study.html",
            caption="../../report/informer/study.rst",
            category="Monitoring",
            labels={"result": "What the study found"},
        ),
    log:
        "<logs>/compare_alarms.log",
    benchmark:
        "<benchmarks>/compare_alarms.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("compare_alarms"),
    params:
        arguments={
            **pick("monitoring", "maps"),
            "cohort": COHORT,
            "seed": config["seed"],
        },
        code=code_hash("compare_alarms"),
    script:
        "../../scripts/compare_alarms.py"


rule alarm_boxplot:
    """Draw the mean F1 of every alarm on 30 bootstrapped test sets, as published."""
    input:
        resamples_file=rules.compare_alarms.output.resamples_file,
    output:
        png=report(
            "<informer>/boxplot.png",
            caption="../../report/informer/boxplot.rst",
            category="Monitoring",
            labels={"result": "Figure 3: bootstrapped F1"},
        ),
        pdf="<informer>/boxplot.pdf",
    log:
        "<logs>/alarm_boxplot.log",
    benchmark:
        "<benchmarks>/alarm_boxplot.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("alarm_boxplot"),
    params:
        arguments={**pick("monitoring", "maps"), "cohort": COHORT},
        code=code_hash("alarm_boxplot"),
    script:
        "../../scripts/alarm_boxplot.py"


rule risk_coverage_figure:
    """Draw the error rate of the most certain predictions over their share."""
    input:
        curves_file=rules.compare_alarms.output.curves_file,
        errors_file=rules.compare_alarms.output.errors_file,
    output:
        png=report(
            "<informer>/risk_coverage.png",
            caption="../../report/informer/risk_coverage.rst",
            category="Monitoring",
            labels={"result": "Abstaining: risk over coverage"},
        ),
        pdf="<informer>/risk_coverage.pdf",
    log:
        "<logs>/risk_coverage_figure.log",
    benchmark:
        "<benchmarks>/risk_coverage_figure.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("risk_coverage_figure"),
    params:
        arguments={"cohort": COHORT},
        code=code_hash("risk_coverage_figure"),
    script:
        "../../scripts/risk_coverage_figure.py"


rule class_maps_figure:
    """Draw the class maps of one test nodule with their distinctiveness."""
    input:
        labels_file=rules.label_nodules.output.labels_file,
        images_file=IMAGES,
        model_file=MONITORED[0],
    output:
        png=report(
            "<informer>/class_maps.png",
            caption="../../report/informer/class_maps.rst",
            category="Monitoring",
            labels={"result": "Class maps of a nodule"},
        ),
        pdf="<informer>/class_maps.pdf",
    log:
        "<logs>/class_maps_figure.log",
    benchmark:
        "<benchmarks>/class_maps_figure.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("class_maps_figure"),
    params:
        arguments={
            **pick("monitoring", "maps"),
            **pick("samples", "window"),
            "cohort": COHORT,
            "device": config["device"],
        },
        code=code_hash("class_maps_figure", MONITORED_NETWORK),
    script:
        "../../scripts/class_maps_figure.py"


rule method_alarms:
    """Say how well the alarms of the methods' predictions find their errors, and draw risk over coverage."""
    input:
        predictions_files=of_methods("predictions.parquet"),
    output:
        csv=report(
            "<informer>/method_alarms.csv",
            caption="../../report/informer/method_alarms.rst",
            category="Monitoring",
            labels={"result": "Alarms of the methods (CSV)"},
        ),
        png=report(
            "<informer>/method_alarms.png",
            caption="../../report/informer/method_alarms.rst",
            category="Monitoring",
            labels={"result": "Alarms of the methods"},
        ),
        pdf="<informer>/method_alarms.pdf",
    log:
        "<logs>/method_alarms.log",
    benchmark:
        "<benchmarks>/method_alarms.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("method_alarms"),
    params:
        arguments={"methods": METHODS, "cohort": COHORT},
        code=code_hash("method_alarms"),
    script:
        "../../scripts/method_alarms.py"
